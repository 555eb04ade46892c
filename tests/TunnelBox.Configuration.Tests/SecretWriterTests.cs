using System.Net;
using System.Text;

namespace TunnelBox.Configuration.Tests;

public sealed class SecretWriterTests
{
    [Fact]
    public void Everything_is_sent_once_and_in_order_wherever_the_buffer_ends()
    {
        Random random = new(3);
        StringBuilder expected = new();
        using MemoryStream stream = new();
        using (SecretWriter writer = new(stream))
        {
            byte[] key = new byte[32];
            for (int i = 0; i < 100_000; i++)
            {
                random.NextBytes(key);
                IPAddress address = new(i % 2 == 0 ? key.AsSpan(0, 4) : key.AsSpan(0, 16));
                string words = new('x', random.Next(12) == 0 ? random.Next(1000) : random.Next(20));
                (string text, SecretWriter _) = random.Next(8) switch
                {
                    0 => (words, writer.Text(words)),
                    1 => (i.ToString(), writer.Number((ulong)i)),
                    2 => ($"0x{i:x}", writer.HexNumber((uint)i)),
                    3 => (Convert.ToBase64String(key), writer.Base64(key)),
                    4 => (Convert.ToHexStringLower(key), writer.Hex(key)),
                    5 => ($"{address}", writer.Address(address)),
                    6 => ($"{address}/{(i % 2 == 0 ? 32 : 128)}", writer.Network(new IPNetwork(address, i % 2 == 0 ? 32 : 128))),
                    _ => (new IPEndPoint(address, i & 0xffff).ToString(), writer.Endpoint(new IPEndPoint(address, i & 0xffff))),
                };
                expected.Append(text);
            }

            writer.Send();
        }

        Assert.Equal(expected.ToString(), Encoding.ASCII.GetString(stream.ToArray()));
    }
}
