using System.Text;

namespace TunnelBox.Crypto.Tests;

public sealed class ChaChaPolyTests
{
    private const string Sunscreen =
        "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";

    // RFC 8439, section 2.8.2.
    [Fact]
    public void Seals_and_opens_the_vector_of_RFC_8439()
    {
        byte[] key = [.. Enumerable.Range(0x80, 32).Select(i => (byte)i)];
        byte[] nonce = Convert.FromHexString("070000004041424344454647");
        byte[] associated = Convert.FromHexString("50515253c0c1c2c3c4c5c6c7");
        byte[] plaintext = Encoding.ASCII.GetBytes(Sunscreen);
        byte[] output = new byte[plaintext.Length + 16];
        ChaChaPoly.Seal(key, nonce, associated, plaintext, output);
        Assert.Equal(
            "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691",
            Convert.ToHexStringLower(output));
        byte[] opened = new byte[plaintext.Length];
        Assert.True(ChaChaPoly.TryOpen(key, nonce, associated, output, opened));
        Assert.Equal(plaintext, opened);
    }

    // RFC 8439, appendix A.5.
    [Fact]
    public void Opens_the_vector_of_RFC_8439_appendix_A_5()
    {
        byte[] key = Convert.FromHexString("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0");
        byte[] nonce = Convert.FromHexString("000000000102030405060708");
        byte[] associated = Convert.FromHexString("f33388860000000000004e91");
        byte[] ciphertext = Convert.FromHexString(
            "64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee94e382d26b0bdb7b73c321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c8559797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4b9166c767b804d46a59b5216cde7a4e99040c5a40433225ee282a1b0a06c523eaf4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a1049e617d91d361094fa68f0ff77987130305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709beead9d67890cbb22392336fea1851f38");
        byte[] opened = new byte[ciphertext.Length - 16];
        Assert.True(ChaChaPoly.TryOpen(key, nonce, associated, ciphertext, opened));
        Assert.StartsWith("Internet-Drafts are draft documents valid for a maximum of six months", Encoding.UTF8.GetString(opened), StringComparison.Ordinal);
        Assert.False(ChaChaPoly.TryOpen(key, nonce, [], ciphertext, opened));
    }

    [Fact]
    public void The_counter_stands_little_endian_after_four_zeros()
    {
        byte[] key = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];
        byte[] byCounter = new byte[21], byNonce = new byte[21];
        ChaChaPoly.Seal(key, 0x0102030405060708, [], "hello"u8, byCounter);
        ChaChaPoly.Seal(key, Convert.FromHexString("000000000807060504030201"), [], "hello"u8, byNonce);
        Assert.Equal(byNonce, byCounter);
    }

    [Fact]
    public void A_wrong_tag_leaves_zeros()
    {
        byte[] key = new byte[32];
        byte[] output = new byte[21], opened = new byte[5];
        ChaChaPoly.Seal(key, 0, [], "hello"u8, output);
        for (int i = 0; i < output.Length; i++)
        {
            output[i] ^= 1;
            opened.AsSpan().Fill(0xAA);
            Assert.False(ChaChaPoly.TryOpen(key, 0, [], output, opened));
            Assert.Equal(new byte[5], opened);
            output[i] ^= 1;
        }
    }

    [Fact]
    public void Wrong_sizes_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => ChaChaPoly.Seal(new byte[31], 0, [], [], new byte[16]));
        Assert.Throws<ArgumentOutOfRangeException>(() => ChaChaPoly.Seal(new byte[32], 0, [], [], new byte[15]));
        Assert.Throws<ArgumentOutOfRangeException>(() => ChaChaPoly.TryOpen(new byte[32], 0, [], new byte[15], []));
        Assert.Throws<ArgumentOutOfRangeException>(() => XChaChaPoly.Seal(new byte[32], new byte[12], [], [], new byte[16]));
    }

    // draft-irtf-cfrg-xchacha-03, appendix A.3.1.
    [Fact]
    public void XChaCha_seals_and_opens_its_published_vector()
    {
        byte[] key = [.. Enumerable.Range(0x80, 32).Select(i => (byte)i)];
        byte[] nonce = [.. Enumerable.Range(0x40, 24).Select(i => (byte)i)];
        byte[] associated = Convert.FromHexString("50515253c0c1c2c3c4c5c6c7");
        byte[] plaintext = Encoding.ASCII.GetBytes(Sunscreen);
        byte[] output = new byte[plaintext.Length + 16];
        XChaChaPoly.Seal(key, nonce, associated, plaintext, output);
        Assert.Equal(
            "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49",
            Convert.ToHexStringLower(output));
        byte[] opened = new byte[plaintext.Length];
        Assert.True(XChaChaPoly.TryOpen(key, nonce, associated, output, opened));
        Assert.Equal(plaintext, opened);
        output[0] ^= 1;
        Assert.False(XChaChaPoly.TryOpen(key, nonce, associated, output, opened));
        Assert.Equal(new byte[plaintext.Length], opened);
    }
}
