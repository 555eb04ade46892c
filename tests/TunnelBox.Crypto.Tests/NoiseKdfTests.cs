namespace TunnelBox.Crypto.Tests;

public sealed class NoiseKdfTests
{
    [Fact]
    public void Hmac_agrees_with_a_slow_reference()
    {
        Random random = new(2104);
        for (int round = 0; round < 500; round++)
        {
            byte[] key = new byte[random.Next(65)];
            byte[] data = new byte[random.Next(200)];
            random.NextBytes(key);
            random.NextBytes(data);
            byte[] mac = new byte[32];
            NoiseKdf.Hmac(key, data, mac);
            Assert.Equal(SlowBlake2s.Hmac(key, data), mac);
        }
    }

    [Fact]
    public void Outputs_are_those_of_the_paper()
    {
        Random random = new(5);
        for (int round = 0; round < 300; round++)
        {
            byte[] key = new byte[32];
            byte[] input = new byte[round % 3 == 0 ? 0 : 32];
            random.NextBytes(key);
            random.NextBytes(input);
            byte[] secret = SlowBlake2s.Hmac(key, input);
            byte[] e1 = SlowBlake2s.Hmac(secret, [1]);
            byte[] e2 = SlowBlake2s.Hmac(secret, e1, [2]);
            byte[] e3 = SlowBlake2s.Hmac(secret, e2, [3]);

            byte[] t1 = new byte[32], t2 = new byte[32], t3 = new byte[32];
            NoiseKdf.Kdf1(key, input, t1);
            Assert.Equal(e1, t1);
            NoiseKdf.Kdf2(key, input, t1, t2);
            Assert.Equal([.. e1, .. e2], [.. t1, .. t2]);
            NoiseKdf.Kdf3(key, input, t1, t2, t3);
            Assert.Equal([.. e1, .. e2, .. e3], [.. t1, .. t2, .. t3]);

            // The chaining key is replaced in place.
            NoiseKdf.Kdf3(key, input, key, t2, t3);
            Assert.Equal([.. e1, .. e2, .. e3], [.. key, .. t2, .. t3]);
        }
    }
}
