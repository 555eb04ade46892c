using System.Diagnostics;
using System.Runtime.InteropServices;

namespace TunnelBox.Crypto.Tests;

public sealed class Blake2sTests
{
    [Fact]
    public void Hashes_abc_as_RFC_7693_appendix_B()
    {
        byte[] hash = new byte[32];
        Blake2s.Hash("abc"u8, hash);
        Assert.Equal("508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982", Convert.ToHexStringLower(hash));
    }

    // The shape of the official known answers: inputs 00 01 02 ... of every length to 255, plain and under the key 00 01 ... 1f.
    [Theory]
    [InlineData(0, "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9", "48a8997da407876b3d79c0d92325ad3b89cbb754d86ab71aee047ad345fd2c49")]
    [InlineData(1, "e34d74dbaf4ff4c6abd871cc220451d2ea2648846c7757fbaac82fe51ad64bea", "40d15fee7c328830166ac3f918650f807e7e01e177258cdc0a39b11f598066f1")]
    [InlineData(255, "f03f5789d3336b80d002d59fdf918bdb775b00956ed5528e86aa994acb38fe2d", "3fb735061abc519dfe979e54c1ee5bfad0a9d858b3315bad34bde999efd724dd")]
    public void Gives_the_official_known_answers(int length, string plain, string keyed)
    {
        byte[] input = [.. Enumerable.Range(0, length).Select(i => (byte)i)];
        byte[] key = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];
        byte[] hash = new byte[32];
        Blake2s.Hash(input, hash);
        Assert.Equal(plain, Convert.ToHexStringLower(hash));
        Blake2s.Mac(key, input, hash);
        Assert.Equal(keyed, Convert.ToHexStringLower(hash));
    }

    [Fact]
    public void Agrees_with_a_slow_reference_at_every_short_length_with_and_without_key()
    {
        byte[] key = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];
        for (int length = 0; length <= 256; length++)
        {
            byte[] input = [.. Enumerable.Range(0, length).Select(i => (byte)i)];
            foreach (int size in (int[])[1, 16, 20, 32])
            {
                byte[] hash = new byte[size];
                Blake2s plain = new(size);
                plain.Update(input);
                plain.Finish(hash);
                Assert.Equal(SlowBlake2s.Compute(input, size), hash);
                Blake2s.Mac(key, input, hash);
                Assert.Equal(SlowBlake2s.Compute(input, size, key), hash);
            }
        }
    }

    [Fact]
    public void Agrees_with_the_reference_on_random_keys_and_random_pieces()
    {
        Random random = new(7693);
        for (int round = 0; round < 3000; round++)
        {
            byte[] input = new byte[random.Next(700)];
            byte[] key = new byte[random.Next(33)];
            int size = random.Next(1, 33);
            random.NextBytes(input);
            random.NextBytes(key);
            byte[] hash = new byte[size];
            Blake2s state = new(size, key);
            for (int at = 0; at < input.Length;)
            {
                int piece = Math.Min(random.Next(150), input.Length - at);
                state.Update(input.AsSpan(at, piece));
                at += piece;
            }

            state.Finish(hash);
            Assert.Equal(SlowBlake2s.Compute(input, size, key), hash);
        }
    }

    [Fact]
    public void Agrees_with_OpenSSL_on_random_lengths()
    {
        Random random = new(256);
        string folder = Directory.CreateTempSubdirectory("tb-blake2s-").FullName;
        try
        {
            List<string> expected = [];
            List<string> files = [];
            for (int i = 0; i < 60; i++)
            {
                byte[] input = new byte[random.Next(i < 40 ? 300 : 20_000)];
                random.NextBytes(input);
                string file = Path.Combine(folder, i.ToString());
                File.WriteAllBytes(file, input);
                files.Add(file);
                byte[] hash = new byte[32];
                Blake2s.Hash(input, hash);
                expected.Add(Convert.ToHexStringLower(hash));
            }

            Assert.Equal(expected, OpenSsl(["dgst", "-blake2s256", "-r", .. files]).Select(line => line.Split(' ')[0]));

            // And one keyed MAC of each size that WireGuard uses.
            byte[] key = new byte[32];
            random.NextBytes(key);
            foreach (int size in (int[])[16, 32])
            {
                byte[] mac = new byte[size];
                Blake2s.Mac(key, File.ReadAllBytes(files[0]), mac);
                string[] answer = OpenSsl(
                    ["mac", "-macopt", $"hexkey:{Convert.ToHexString(key)}", "-macopt", $"size:{size}", "-in", files[0], "BLAKE2SMAC"]);
                Assert.Equal(Convert.ToHexString(mac), answer[0]);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Output_may_lie_on_the_input()
    {
        byte[] bytes = new byte[32];
        byte[] expected = SlowBlake2s.Compute(bytes, 32);
        Blake2s.Hash(bytes, bytes);
        Assert.Equal(expected, bytes);
    }

    [Fact]
    public void Finishing_wipes_the_state()
    {
        Blake2s hash = new(32, new byte[] { 1, 2, 3 });
        hash.Update("secret"u8);
        hash.Finish(new byte[32]);
        Assert.All(MemoryMarshal.AsBytes(MemoryMarshal.CreateSpan(ref hash, 1)).ToArray(), b => Assert.Equal(0, b));
    }

    [Fact]
    public void Finishing_twice_or_into_the_wrong_size_is_refused()
    {
        static void Twice()
        {
            Blake2s hash = new(32);
            hash.Finish(new byte[32]);
            hash.Finish(new byte[32]);
        }

        static void Short()
        {
            Blake2s hash = new(32);
            hash.Finish(new byte[31]);
        }

        Assert.Throws<ArgumentException>(Twice);
        Assert.Throws<ArgumentException>(Short);
        Assert.Throws<ArgumentOutOfRangeException>(() => _ = new Blake2s(33));
        Assert.Throws<ArgumentOutOfRangeException>(() => _ = new Blake2s(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => _ = new Blake2s(32, new byte[33]));
    }

    [Fact]
    public void Hashing_allocates_nothing()
    {
        byte[] data = new byte[1000];
        byte[] hash = new byte[32];
        Blake2s.Hash(data, hash);
        NoiseKdf.Kdf3(hash, data, hash, hash, hash);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            Blake2s.Hash(data, hash);
            NoiseKdf.Kdf3(hash, data, hash, hash, hash);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private static string[] OpenSsl(IEnumerable<string> arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo("openssl", arguments) { RedirectStandardOutput = true, UseShellExecute = false })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
