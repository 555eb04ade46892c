using System.Buffers.Binary;
using TunnelBox.DataPath;
using TunnelBox.DataPath.Steering;
using TunnelBox.DataPath.Tests;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Xdp;

namespace TunnelBox.Fuzz.Targets;

/// <summary>
/// Ethernet frames as AF_XDP hands them over, outer and inner ones. What is read of them is what slow models read, with hints and without; nothing is touched
/// beyond their ends; and what a router changes or tells leaves right checksums.
/// </summary>
internal sealed unsafe class FramesTarget : FuzzTarget
{
    private const int Device = 7;
    private readonly GuardedMemory _memory = new(12_288);
    private readonly byte[] _message = new byte[IcmpErrors.Largest];

    /// <inheritdoc/>
    public override string Name => "frames";

    /// <inheritdoc/>
    public override int Run(byte[] input)
    {
        var draw = new Draw(input);
        byte[] frame = draw.Next(8) == 0 ? Noise(draw) : new FrameMaker(draw).Next();
        if (frame.Length >= 34 && draw.Next(4) != 0)
        {
            RightChecksum(frame);
        }

        int outcome = Outer(frame);
        return outcome | (Inner(draw, frame) << 4);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _memory.Dispose();
        base.Dispose();
    }

    private static byte[] Noise(Draw draw)
    {
        byte[] frame = new byte[draw.Next(200)];
        draw.NextBytes(frame);
        return frame;
    }

    // The maker of frames leaves it open; without it no IPv4 packet is looked at any further.
    private static void RightChecksum(byte[] frame)
    {
        int at = 14;
        while (at < 22 && Word(frame, at - 2) is 0x8100 or 0x88A8)
        {
            at += 4;
        }

        if (Word(frame, at - 2) == 0x0800 && frame.Length >= at + 20)
        {
            frame.AsSpan(at + 10, 2).Clear();
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(at + 10), (ushort)~ChecksumTests.Slow(frame.AsSpan(at, 20)));
        }
    }

    private byte* Place(byte[] frame)
    {
        byte* at = _memory.End - frame.Length;
        frame.CopyTo(new Span<byte>(at, frame.Length));
        return at;
    }

    private int Outer(byte[] frame)
    {
        byte* at = Place(frame);
        var plain = new Burst { Count = 1 };
        FrameReader.Read(plain, 0, at, frame.Length, Device);
        (int Start, int Length)? expected = Datagram(frame);
        bool taken = plain.Verdict[0] == Verdict.Continue;
        FuzzFind.Unless(taken == expected is not null, $"A datagram is read where there is one: {taken}");
        if (expected is { } found)
        {
            FuzzFind.Unless(plain.Data[0] == (nint)at + found.Start && plain.Length[0] == found.Length, "The payload is where the model finds it.");
        }

        if (frame.Length < 14)
        {
            return taken ? 1 : 0;
        }

        *(PacketHints*)(at - PacketHints.Size) = HintModel.Of(frame);
        var hinted = new Burst { Count = 1 };
        FrameReader.Read(hinted, 0, at, PacketHints.Size, frame.Length, Device);
        FuzzFind.Unless(hinted.Verdict[0] == plain.Verdict[0] && hinted.Reason[0] == plain.Reason[0], "With hints the verdict is the same.");
        FuzzFind.Unless(
            !taken || (hinted.Data[0] == plain.Data[0] && hinted.Length[0] == plain.Length[0] && hinted.Ecn[0] == plain.Ecn[0] && hinted.From[0] == plain.From[0] && hinted.To[0] == plain.To[0]),
            "With hints the same is read.");
        return taken ? 1 : 2;
    }

    // A whole datagram behind at most two tags, without options, extension headers and fragments; RFC 791, 8200 and 768 in the order of their fields.
    private static (int Start, int Length)? Datagram(byte[] frame)
    {
        int at = 14;
        if (frame.Length < at)
        {
            return null;
        }

        int type = Word(frame, 12);
        for (int tag = 0; tag < 2 && type is 0x8100 or 0x88A8; tag++)
        {
            if (frame.Length < at + 4)
            {
                return null;
            }

            type = Word(frame, at + 2);
            at += 4;
        }

        int left;
        if (type == 0x0800)
        {
            if (frame.Length < at + 20 || frame[at] != 0x45 || frame[at + 9] != 17 || (Word(frame, at + 6) & 0x3FFF) != 0
                || ChecksumTests.Slow(frame.AsSpan(at, 20)) != 0xFFFF || Word(frame, at + 2) < 20 || at + Word(frame, at + 2) > frame.Length)
            {
                return null;
            }

            left = Word(frame, at + 2) - 20;
            at += 20;
        }
        else if (type == 0x86DD)
        {
            if (frame.Length < at + 40 || frame[at] >> 4 != 6 || frame[at + 6] != 17 || at + 40 + Word(frame, at + 4) > frame.Length)
            {
                return null;
            }

            left = Word(frame, at + 4);
            at += 40;
        }
        else
        {
            return null;
        }

        return left < 8 || Word(frame, at + 4) < 8 || Word(frame, at + 4) > left ? null : (at + 8, Word(frame, at + 4) - 8);
    }

    private int Inner(Draw draw, byte[] frame)
    {
        byte* at = Place(frame);
        int length = LanPacket.Measure(at, frame.Length);
        FuzzFind.Unless(length >= 0 && (length == 0 || 14 + length <= frame.Length), "A packet lies within its frame.");
        if (length == 0)
        {
            return 0;
        }

        byte* packet = at + 14;
        bool four = packet[0] >> 4 == 4;
        FuzzFind.Unless(Word(frame, 12) == (four ? 0x0800 : 0x86DD) && length == (four ? Word(frame, 16) : 40 + Word(frame, 18)), "A packet's length is its own word.");
        _ = LanPacket.Destination(packet);
        if (LanPacket.Hops(packet) > 1)
        {
            byte hops = LanPacket.Hops(packet);
            LanPacket.TakeHop(packet);
            FuzzFind.Unless(LanPacket.Hops(packet) == hops - 1, "One hop is taken.");
            FuzzFind.Unless(!four || ChecksumTests.Slow(new ReadOnlySpan<byte>(packet, 20)) == 0xFFFF, "The header's checksum stays right.");
        }

        LanPacket.FinishChecksum(packet, length);
        byte[] once = new ReadOnlySpan<byte>(packet, length).ToArray();
        LanPacket.FinishChecksum(packet, length);
        MssClamp.Apply(packet, length, draw.Next(0, 2000));
        var changed = new ReadOnlySpan<byte>(packet, length);
        int differences = 0;
        for (int i = 0; i < length; i++)
        {
            differences += changed[i] != once[i] ? 1 : 0;
        }

        FuzzFind.Unless(differences <= 4, "No more than a maximum segment size and its checksum are changed.");
        return 1 | Tell(draw, packet, length, four);
    }

    private int Tell(Draw draw, byte* packet, int length, bool four)
    {
        int mtu = draw.Next(2) == 0 ? 0 : draw.Next(1280, 9000);
        int written;
        fixed (byte* to = _message)
        {
            // One a message: the limit of messages a second is another's business.
            written = new IcmpErrors().Write(to, packet, length, (0x0A090001, ((UInt128)0xFD09 << 112) | 1), mtu);
        }

        if (written == 0)
        {
            return 2;
        }

        ReadOnlySpan<byte> message = _message.AsSpan(0, written);
        int header = four ? 28 : 48;
        FuzzFind.Unless(written > header && message[header..].SequenceEqual(new ReadOnlySpan<byte>(packet, written - header)), "A message quotes the packet.");
        FuzzFind.Unless(message.Slice(four ? 16 : 24, four ? 4 : 16).SequenceEqual(new ReadOnlySpan<byte>(packet + (four ? 12 : 8), four ? 4 : 16)), "It goes to whoever sent the packet.");
        if (four)
        {
            FuzzFind.Unless(ChecksumTests.Slow(message[..20]) == 0xFFFF && ChecksumTests.Slow(message[20..]) == 0xFFFF && Word(message, 2) == written, "Its checksums and length are right.");
        }
        else
        {
            uint pseudo = (uint)(written - 40 + 58);
            FuzzFind.Unless(
                ChecksumTests.Slow(message[40..], ChecksumTests.Slow(message.Slice(8, 32), pseudo)) == 0xFFFF && Word(message, 4) == written - 40, "Its checksum and length are right.");
        }

        return 4;
    }

    private static int Word(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16BigEndian(bytes[at..]);
}
