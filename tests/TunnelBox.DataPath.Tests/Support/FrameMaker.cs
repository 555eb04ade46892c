using System.Buffers.Binary;

namespace TunnelBox.DataPath.Tests.Support;

/// <summary>Makes frames of every kind that the dissector knows, and damaged ones of each.</summary>
internal sealed class FrameMaker(Random random)
{
    private readonly Random _random = random;

    public FrameMaker(int seed)
        : this(new Random(seed))
    {
    }

    public byte[] Next()
    {
        byte[] transport = _random.Next(6) switch
        {
            0 => Udp(Message()),
            1 => Udp(Message()),
            2 => Udp(Bytes(_random.Next(60))),
            3 => Tcp(),
            4 => Bytes(8 + _random.Next(40)),
            _ => Bytes(_random.Next(30)),
        };
        bool four = _random.Next(2) == 0;
        byte[] packet = four ? IPv4(transport) : IPv6(transport);
        byte[] frame = [.. Ethernet(four), .. packet, .. Bytes(_random.Next(3) == 0 ? _random.Next(20) : 0)];
        for (int damage = _random.Next(3) == 0 ? _random.Next(1, 4) : 0; damage > 0; damage--)
        {
            frame[_random.Next(12, frame.Length)] = (byte)_random.Next(256);
        }

        // The kernel runs no program on less than an Ethernet header.
        return _random.Next(6) == 0 ? frame[..Math.Max(14, _random.Next(frame.Length + 1))] : frame;
    }

    private byte[] Ethernet(bool four)
    {
        List<byte> header = [.. Bytes(12)];
        for (int tags = _random.Next(3) == 0 ? _random.Next(1, 4) : 0; tags > 0; tags--)
        {
            header.AddRange(_random.Next(2) == 0 ? [0x81, 0] : [0x88, 0xA8]);
            header.AddRange(Bytes(2));
        }

        header.AddRange(four ? [0x08, 0] : [0x86, 0xDD]);
        return [.. header];
    }

    private byte[] IPv4(byte[] transport)
    {
        byte[] options = Bytes(_random.Next(3) == 0 ? 4 * _random.Next(11) : 0);
        byte[] header = Bytes(20);
        header[0] = (byte)(0x45 + (options.Length / 4));
        Word(header, 2, 20 + options.Length + transport.Length);
        Word(header, 6, _random.Next(4) == 0 ? _random.Next(0x4000) & _random.Next(0x4000) : 0x4000);
        header[9] = Protocol(transport, 1);
        return [.. header, .. options, .. transport];
    }

    private byte[] IPv6(byte[] transport)
    {
        List<byte[]> chain = [];
        List<byte> kinds = [];
        for (int headers = _random.Next(2) == 0 ? _random.Next(10) : 0; headers > 0; headers--)
        {
            byte kind = new byte[] { 0, 43, 44, 51, 60 }[_random.Next(5)];
            int length = kind == 51 ? _random.Next(1, 6) : _random.Next(3);
            byte[] header = Bytes(kind switch { 44 => 8, 51 => (length + 2) * 4, _ => (length + 1) * 8 });
            header[1] = (byte)length;
            if (kind == 44 && _random.Next(3) > 0)
            {
                header[2] = 0;
                header[3] = (byte)_random.Next(2);
            }

            kinds.Add(kind);
            chain.Add(header);
        }

        kinds.Add(Protocol(transport, 58));
        for (int i = 0; i < chain.Count; i++)
        {
            chain[i][0] = kinds[i + 1];
        }

        byte[] fixedHeader = Bytes(40);
        fixedHeader[0] = 0x60;
        byte[] rest = [.. chain.SelectMany(header => header), .. transport];
        Word(fixedHeader, 4, rest.Length);
        fixedHeader[6] = kinds[0];
        return [.. fixedHeader, .. rest];
    }

    // The maker knows what it made by its length: TCP alone has a right data offset there.
    private byte Protocol(byte[] transport, byte icmp) => _random.Next(8) switch
    {
        0 => (byte)_random.Next(256),
        1 => icmp,
        _ => transport.Length >= 20 && transport[12] >> 4 >= 5 && transport.Length == (transport[12] >> 4) * 4 ? (byte)6 : (byte)17,
    };

    private byte[] Message()
    {
        int type = _random.Next(1, 5);
        byte[] message = Bytes(type switch { 1 => 148, 2 => 92, 3 => 64, _ => 32 + _random.Next(100) });
        BinaryPrimitives.WriteInt32LittleEndian(message, type);
        return message;
    }

    private byte[] Udp(byte[] payload)
    {
        byte[] header = Bytes(8);
        Word(header, 4, 8 + payload.Length + (_random.Next(10) == 0 ? _random.Next(-4, 5) : 0));
        return [.. header, .. payload];
    }

    private byte[] Tcp()
    {
        byte[] header = Bytes(20 + (4 * _random.Next(11)));
        header[12] = (byte)(header.Length / 4 << 4);
        return header;
    }

    private byte[] Bytes(int count)
    {
        byte[] bytes = new byte[count];
        _random.NextBytes(bytes);
        return bytes;
    }

    private static void Word(byte[] bytes, int at, int value) => BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(at), (ushort)value);
}
