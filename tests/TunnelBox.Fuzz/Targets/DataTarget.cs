using System.Buffers.Binary;
using System.Net;
using TunnelBox.Crypto;
using TunnelBox.DataPath.Tests;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.Fuzz.Targets;

/// <summary>
/// Bursts of data messages, sealed with the session's key: replays, far counters, wrong inner packets, changed ciphertexts. What is delivered is what a slow
/// model of the receiver delivers, byte by byte and in order; everything else is a drop.
/// </summary>
internal sealed class DataTarget : FuzzTarget
{
    private const int InputsOfASession = 64;
    private readonly FakeClock _clock = new();
    private readonly HashSet<ulong> _accepted = [];
    private MemoryNode? _a;
    private MemoryNode? _b;
    private Keypair _session = null!;
    private ulong _newest;
    private ulong _counter;
    private int _inputs;

    /// <inheritdoc/>
    public override string Name => "data";

    /// <inheritdoc/>
    public override int Run(byte[] input)
    {
        if (_inputs++ % InputsOfASession == 0)
        {
            Establish();
        }

        var draw = new Draw(input);
        List<byte[]> expected = [];
        int kinds = 0;
        int delivered = _b!.Delivered.Count;
        int drops = Drops();
        int keepalives = 0;
        int count = draw.Next(1, draw.Next(4) == 0 ? 64 : 6);
        byte[]? last = null;
        List<(byte[] Message, ulong Counter, byte[] Inner)> sealedHere = [];
        for (int i = 0; i < count; i++)
        {
            byte[] inner = Inner(draw);
            ulong counter = Counter(draw);
            byte[] message = Seal(counter, inner);
            byte[] sent = Change(draw, message, last);
            last = sent;
            _b.Outer.Incoming.Enqueue((sent, _a!.Address, 0));
            sealedHere.Add((message, counter, inner));
            int kind = Model(sent, sealedHere, expected);
            keepalives += kind == 1 ? 1 : 0;
            kinds |= 1 << kind;
        }

        _b.Step();
        MemoryNode.Settle(_b);
        FuzzFind.Unless(_b.Delivered.Count == delivered + expected.Count, $"{expected.Count} packets are delivered; {_b.Delivered.Count - delivered} were.");
        for (int i = 0; i < expected.Count; i++)
        {
            FuzzFind.Unless(_b.Delivered[delivered + i].AsSpan().SequenceEqual(expected[i]), $"Packet {i} is delivered as it was sealed.");
        }

        int dropped = Drops() - drops;
        FuzzFind.Unless(dropped == count - expected.Count - keepalives, $"{count - expected.Count - keepalives} messages are drops; {dropped} were.");
        _b.Delivered.Clear();
        return kinds;
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _a?.Dispose();
        _b?.Dispose();
        base.Dispose();
    }

    private int Drops() => Enum.GetValues<DropReason>().Sum(_b!.Drops);

    private void Establish()
    {
        _a?.Dispose();
        _b?.Dispose();
        var numbers = new SeededRandom(_inputs);
        _a = new MemoryNode(_clock, 1001, random: numbers);
        _b = new MemoryNode(_clock, 1002, random: numbers);
        MemoryNode.Join(_a, _b);
        using (Tunnel.Edit edit = _b.Tunnel.BeginEdit())
        {
            edit.AddAllowedIp(edit.Find(_a.PublicKey)!, IPNetwork.Parse("fd00::/64"));
        }

        _a.Inner.Incoming.Enqueue((InnerPackets.IPv4("10.0.0.1", "10.0.0.2"), default, 0));
        MemoryNode.Settle(_a, _b);
        FuzzFind.Unless(_b.Delivered.Count == 1, "Two ends come together.");
        _b.Delivered.Clear();
        _session = _a.PeerOf(_b).Current!;
        _counter = _newest = _session.SentPackets - 1;
        _accepted.Clear();
        for (ulong counter = 0; counter <= _newest; counter++)
        {
            _accepted.Add(counter);
        }

        _b.Transmit = null;
        _clock.Advance(1);
    }

    private static byte[] Inner(Draw draw)
    {
        int length = draw.Next(8) == 0 ? draw.Next(8000) : draw.Next(120);
        byte[] padding = new byte[draw.Next(3) == 0 ? draw.Next(40) : 0];
        byte[] packet;
        switch (draw.Next(8))
        {
            case 0:
                return [];
            case 1:
                packet = new byte[length];
                draw.NextBytes(packet);
                return packet;
            case 2:
                packet = InnerPackets.IPv4("10.0.0.3", "10.0.0.2", 20 + length);
                break;
            case 3 or 4:
                packet = InnerPackets.IPv6(draw.Next(4) == 0 ? "fd01::1" : "fd00::7", "fd00::2", 40 + length);
                break;
            default:
                packet = InnerPackets.IPv4("10.0.0.1", "10.0.0.2", 20 + length, (byte)draw.Next(256));
                break;
        }

        if (draw.Next(4) == 0)
        {
            packet[draw.Next(Math.Min(packet.Length, 8))] = (byte)draw.Next(256);
        }

        return draw.Next(8) == 0 ? packet[..draw.Next(packet.Length)] : [.. packet, .. padding];
    }

    private ulong Counter(Draw draw)
    {
        switch (draw.Next(12))
        {
            case 0:
                return _counter - (ulong)draw.NextInt64(Math.Min((long)_counter + 1, 10));
            case 1:
                return _newest - (ulong)Math.Min((long)_newest, (long)Limits.ReplayWindowSize + draw.Next(-2, 3));
            case 2:
                return _counter = _newest + (ulong)draw.Next(1, 20_000);
            case 3:
                return draw.Next(40) switch
                {
                    // The end of the counters: no later one is accepted in this session.
                    0 => _counter = Limits.RejectAfterMessages - (ulong)draw.Next(1, 4),
                    1 => _counter = _newest + (1UL << draw.Next(20, 40)),
                    _ => Limits.RejectAfterMessages + (ulong)draw.Next(3),
                };
            case 4:
                return _newest - (ulong)draw.NextInt64(Math.Min((long)Math.Min(_newest, long.MaxValue - 1) + 1, Limits.ReplayWindowSize + 100));
            default:
                return ++_counter;
        }
    }

    private byte[] Seal(ulong counter, byte[] inner)
    {
        byte[] message = new byte[DataMessage.MinimumSize + inner.Length];
        DataMessage.WriteHeader(message, _session.RemoteIndex, counter);
        ChaChaPoly.Seal(KeyArena.DangerousGetSpan(_session.SendKey), counter, default, inner, message.AsSpan(DataMessage.HeaderSize));
        return message;
    }

    private static byte[] Change(Draw draw, byte[] message, byte[]? last)
    {
        byte[] changed = [.. message];
        if (draw.Next(3) != 0)
        {
            return changed;
        }

        switch (draw.Next(9))
        {
            case 0:
                changed[draw.Next(changed.Length)] ^= (byte)(1 << draw.Next(8));
                break;
            case 1:
                return changed[..draw.Next(changed.Length)];
            case 2:
                return [.. changed, .. new byte[draw.Next(1, 40)]];
            case 3:
                BinaryPrimitives.WriteUInt64LittleEndian(changed.AsSpan(8), BinaryPrimitives.ReadUInt64LittleEndian(changed.AsSpan(8)) + (ulong)draw.Next(1, 100));
                break;
            case 4:
                draw.NextBytes(changed.AsSpan(4, 4));
                break;
            case 5:
                changed[draw.Next(4)] ^= (byte)draw.Next(1, 256);
                break;
            case 6 when last is not null && last.Length > 32:
                // The header of one and the ciphertext of another.
                return [.. changed.AsSpan(0, 16), .. last.AsSpan(16)];
            case 7 when last is not null:
                return last;
            default:
                draw.NextBytes(changed.AsSpan(changed.Length - 16));
                break;
        }

        return changed;
    }

    // 0: refused; 1: a keepalive; 2: delivered; 3: opened, and then refused.
    private int Model(byte[] sent, List<(byte[] Message, ulong Counter, byte[] Inner)> sealedHere, List<byte[]> expected)
    {
        // Splicing may bring a message together again that was sent changed before.
        int which = sealedHere.FindIndex(one => one.Message.AsSpan().SequenceEqual(sent));
        if (which < 0)
        {
            return 0;
        }

        (_, ulong counter, byte[] inner) = sealedHere[which];
        if (counter >= Limits.RejectAfterMessages || (counter < _newest && _newest - counter > Limits.ReplayWindowSize) || !_accepted.Add(counter))
        {
            return 0;
        }

        _newest = Math.Max(_newest, counter);
        if (inner.Length == 0)
        {
            return 1;
        }

        int length = 0;
        bool from = false;
        if (inner.Length >= 20 && inner[0] >> 4 == 4)
        {
            length = BinaryPrimitives.ReadUInt16BigEndian(inner.AsSpan(2));
            from = length >= 20 && new IPAddress(inner.AsSpan(12, 4)).Equals(IPAddress.Parse("10.0.0.1"));
        }
        else if (inner.Length >= 40 && inner[0] >> 4 == 6)
        {
            length = 40 + BinaryPrimitives.ReadUInt16BigEndian(inner.AsSpan(4));
            from = inner.AsSpan(8, 8).SequenceEqual(IPAddress.Parse("fd00::").GetAddressBytes().AsSpan(0, 8));
        }

        if (length == 0 || length > inner.Length || !from)
        {
            return 3;
        }

        expected.Add(inner[..length]);
        return 2;
    }
}
