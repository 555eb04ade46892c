using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using TunnelBox.DataPath.Steering;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.Linux.Libbpf;

namespace TunnelBox.DataPath.Tests.Steering;

/// <summary>The block in front of a frame: its layout in C and here, and what the dissector writes into it, against a model.</summary>
public sealed unsafe class PacketHintsTests
{
    private const uint Pass = 2;

    // Names in C of what is named otherwise here.
    private static readonly Dictionary<string, string> s_names = new(StringComparer.Ordinal)
    {
        ["IPVersion"] = "version",
        ["PayloadLength"] = "payload_length",
        ["HashType"] = "hash_type",
    };

    [Fact]
    public void Its_layout_is_that_of_c()
    {
        FieldInfo[] fields = typeof(PacketHints).GetFields(BindingFlags.Public | BindingFlags.Instance);
        string Name(FieldInfo field) => s_names.GetValueOrDefault(field.Name, field.Name.ToLowerInvariant());
        HintFields[] bits = [.. Enum.GetValues<HintFields>().Where(bit => bit != HintFields.None)];
        string source = $$"""
            #include <linux/bpf.h>
            #include <bpf/bpf_helpers.h>
            #include <bpf/bpf_endian.h>
            #include <stddef.h>
            #include <stdio.h>
            #include "hints.h"
            int main(void)
            {
                printf("%zu\n%u\n", sizeof(struct hints), HINTS_MAGIC);
                {{string.Concat(fields.Select(f => $"printf(\"%zu %zu\\n\", offsetof(struct hints, {Name(f)}), sizeof(((struct hints *)0)->{Name(f)}));\n"))}}
                {{string.Concat(bits.Select(bit => $"printf(\"%d\\n\", HINT_{bit.ToString().ToUpperInvariant()});\n"))}}
            }
            """;
        string[] expected =
        [
            $"{PacketHints.Size}", $"{PacketHints.ExpectedMagic}",
            .. fields.Select(f => $"{Marshal.OffsetOf<PacketHints>(f.Name)} {Marshal.SizeOf(f.FieldType.IsEnum ? Enum.GetUnderlyingType(f.FieldType) : f.FieldType)}"),
            .. bits.Select(bit => ((int)bit).ToString(CultureInfo.InvariantCulture)),
        ];
        Assert.Equal(PacketHints.Size, sizeof(PacketHints));
        Assert.Equal(expected, RunC(source));
    }

    [Fact]
    [Trait("Needs", "root")]
    public void The_dissector_says_what_the_model_says()
    {
        using BpfObject loaded = BpfObject.Load(File.ReadAllBytes(Path.Combine(NativeFolder.Path, "dissect.bpf.o")), out int error)
            ?? throw new InvalidOperationException($"the dissector does not load: {error}");
        int program = loaded.Program("dissect");
        var maker = new FrameMaker(7);
        var seen = new Dictionary<HintFields, int>();
        var messages = new int[5];
        for (int round = 0; round < 60_000; round++)
        {
            byte[] frame = maker.Next();
            (uint verdict, byte[] after) = ProgramRun.Once(program, frame);
            Assert.Equal(Pass, verdict);
            Assert.Equal(frame, after[PacketHints.Size..]);
            PacketHints found = MemoryMarshal.Read<PacketHints>(after);
            PacketHints expected = HintModel.Of(frame);
            Assert.Equal(found.Has(HintFields.Hash), found.HashType != 0);
            found.Hash = 0;
            found.HashType = 0;
            Assert.True(Bytes(found).SequenceEqual(Bytes(expected)), $"round {round}: {Convert.ToHexString(frame)}\n{Text(found)}\n{Text(expected)}");
            foreach (HintFields bit in Enum.GetValues<HintFields>())
            {
                seen[bit] = seen.GetValueOrDefault(bit) + (found.Has(bit) ? 1 : 0);
            }

            messages[found.Message]++;
        }

        // A test that never saw a case has not tested it.
        foreach (HintFields bit in Enum.GetValues<HintFields>().Except([HintFields.None, HintFields.Timestamp, HintFields.Mark]))
        {
            Assert.InRange(seen[bit], 1000, int.MaxValue);
        }

        Assert.All(messages, count => Assert.InRange(count, 500, int.MaxValue));
    }

    [Fact]
    [Trait("Needs", "root")]
    public void Packets_of_one_flow_have_one_hash_and_other_flows_have_others()
    {
        using BpfObject loaded = BpfObject.Load(File.ReadAllBytes(Path.Combine(NativeFolder.Path, "dissect.bpf.o")), out _)!;
        int program = loaded.Program("dissect");
        var hashes = new HashSet<uint>();
        for (int port = 1; port <= 4096; port++)
        {
            byte[] frame = Datagram(port, 40);
            uint hash = Hash(frame);
            frame[50] ^= 0xFF;
            Assert.Equal(hash, Hash(frame));
            hashes.Add(hash);
        }

        Assert.InRange(hashes.Count, 4090, 4096);

        // Each part of a fragmented datagram belongs to the flow, though only the first one has ports.
        byte[] first = Datagram(1, 40);
        first[20] = 0x20;
        byte[] second = Datagram(2, 40);
        second[21] = 5;
        Assert.Equal(Hash(first), Hash(second));

        uint Hash(byte[] frame) => MemoryMarshal.Read<PacketHints>(ProgramRun.Once(program, frame).Frame).Hash;
    }

    [Fact]
    public void Hints_that_leave_the_frame_are_none_and_none_are_found_twice()
    {
        var random = new Random(3);
        byte[] memory = new byte[PacketHints.Size + 200];
        int taken = 0;
        fixed (byte* at = memory)
        {
            for (int round = 0; round < 200_000; round++)
            {
                int length = random.Next(200);
                var written = new PacketHints
                {
                    Magic = random.Next(10) == 0 ? 0 : PacketHints.ExpectedMagic,
                    Present = (HintFields)random.Next(0x800),
                    IPVersion = (byte)(random.Next(2) == 0 ? 4 : 6),
                    Protocol = 17,
                    Network = (ushort)random.Next(40),
                    Transport = (ushort)random.Next(100),
                    Payload = (ushort)random.Next(120),
                    PayloadLength = (ushort)random.Next(120),
                };
                *(PacketHints*)at = written;
                PacketHints hints = default;
                if (PacketHints.TryTake(at + PacketHints.Size, PacketHints.Size, length, ref hints))
                {
                    taken++;
                    if (hints.Has(HintFields.Payload))
                    {
                        Assert.InRange(hints.Payload + hints.PayloadLength, 0, length);
                        Assert.InRange(hints.Transport + 8, hints.Network + 28, (int)hints.Payload);
                    }

                    Assert.False(PacketHints.TryTake(at + PacketHints.Size, PacketHints.Size, length, ref hints));
                }
                else
                {
                    Assert.Equal(default, hints);
                }
            }

            *(PacketHints*)at = new PacketHints { Magic = PacketHints.ExpectedMagic };
            PacketHints none = default;
            Assert.False(PacketHints.TryTake(at + PacketHints.Size, PacketHints.Size - 1, 100, ref none));
        }

        Assert.InRange(taken, 1000, 150_000);
    }

    private static byte[] Datagram(int port, int payload)
    {
        byte[] frame = new byte[42 + payload];
        frame[12] = 8;
        frame[14] = 0x45;
        frame[17] = (byte)(28 + payload);
        frame[23] = 17;
        frame[34] = (byte)(port >> 8);
        frame[35] = (byte)port;
        frame[39] = (byte)(8 + payload);
        return frame;
    }

    private static byte[] Bytes(PacketHints hints) => new ReadOnlySpan<byte>(&hints, sizeof(PacketHints)).ToArray();

    private static string Text(PacketHints hints) => string.Join(
        ' ', typeof(PacketHints).GetFields(BindingFlags.Public | BindingFlags.Instance).Select(field => $"{field.Name}={field.GetValue(hints)}"));

    private static string[] RunC(string source)
    {
        string folder = Directory.CreateTempSubdirectory("tb-hints-").FullName;
        try
        {
            string file = Path.Combine(folder, "hints.c");
            string program = Path.Combine(folder, "hints");
            File.WriteAllText(file, source);
            Run("gcc", "-O2", "-w", "-I", NativeFolder.Path, "-o", program, file);
            return Run(program).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        Assert.True(process.WaitForExit(30_000), $"{program} hangs");
        Assert.True(process.ExitCode == 0, errors.Result);
        return output;
    }
}
