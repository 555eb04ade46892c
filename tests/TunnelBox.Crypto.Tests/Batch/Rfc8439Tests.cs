using System.Runtime.InteropServices;
using System.Text;
using TunnelBox.Crypto.Batch;

namespace TunnelBox.Crypto.Tests.Batch;

/// <summary>Vectors of RFC 8439 whose nonce prefix and associated data the wire never uses.</summary>
public sealed unsafe class Rfc8439Tests
{
    public static TheoryData<string> Engines => Workbench.EngineData;

    [Theory]
    [MemberData(nameof(Engines))]
    public void Section_2_8_2(string engine)
    {
        byte[] plain = Encoding.ASCII.GetBytes(
            "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.");
        Check(
            engine,
            "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
            0x00000007,
            0x4746454443424140,
            "50515253c0c1c2c3c4c5c6c7",
            plain,
            "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b"
            + "1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
            + "3ff4def08e4b7a9de576d26586cec64b6116"
            + "1ae10b594f09e26a7e902ecbd0600691");
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void Appendix_A_5(string engine)
    {
        byte[] plain = Encoding.UTF8.GetBytes(
            "Internet-Drafts are draft documents valid for a maximum of six months and may be updated, replaced, or obsoleted "
            + "by other documents at any time. It is inappropriate to use Internet-Drafts as reference material or to cite them "
            + "other than as /\u201cwork in progress./\u201d");
        Check(
            engine,
            "1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0",
            0x00000000,
            0x0807060504030201,
            "f33388860000000000004e91",
            plain,
            "64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee94e382d26b0"
            + "bdb7b73c321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c855"
            + "9797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4b9166c767b804d46a59b5216cde7a4e9"
            + "9040c5a40433225ee282a1b0a06c523eaf4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a"
            + "0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a1049e617d91d361094fa68f0ff77987130"
            + "305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709b"
            + "eead9d67890cbb22392336fea1851f38");
    }

    private static void Check(
        string engine, string key, uint prefix, ulong counter, string associated, byte[] plain, string expected)
    {
        byte* memory = (byte*)NativeMemory.AllocZeroed((nuint)(32 + plain.Length + plain.Length + IPacketAead.TagSize));
        try
        {
            Convert.FromHexString(key).CopyTo(new Span<byte>(memory, 32));
            plain.CopyTo(new Span<byte>(memory + 32, plain.Length));
            AeadJob job = new()
            {
                Source = (nint)(memory + 32),
                Destination = (nint)(memory + 32 + plain.Length),
                Key = new KeyHandle((nint)memory),
                Counter = counter,
                Length = plain.Length,
            };
            byte[] data = Convert.FromHexString(associated);
            switch (Workbench.Create(engine))
            {
                case BatchAead<Vector512Kernels> e:
                    e.SealWithAssociatedData(ref job, prefix, data);
                    break;
                case BatchAead<Vector256Kernels> e:
                    e.SealWithAssociatedData(ref job, prefix, data);
                    break;
                case BatchAead<Vector128Kernels> e:
                    e.SealWithAssociatedData(ref job, prefix, data);
                    break;
                case BatchAead<ScalarKernels> e:
                    e.SealWithAssociatedData(ref job, prefix, data);
                    break;
                case IPacketAead other:
                    Assert.Fail($"{other.Name} is not covered.");
                    break;
            }

            Assert.Equal(expected, Convert.ToHexStringLower(Workbench.Bytes(job.Destination, plain.Length + IPacketAead.TagSize)));
        }
        finally
        {
            NativeMemory.Free(memory);
        }
    }
}
