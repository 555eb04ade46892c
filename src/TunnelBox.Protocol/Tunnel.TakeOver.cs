using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TunnelBox.Crypto;

namespace TunnelBox.Protocol;

/// <content>Sessions on their way from one process to the next, so that neither end notices: keys, counters, replay windows, timers.</content>
public sealed partial class Tunnel
{
    /// <summary>Counters that are left out between the last one that was used here and the first one of the next process.</summary>
    public const ulong TakeOverMargin = 64;

    private const uint TakeOverMagic = 0x54425331;
    private const int SessionSize = (2 * KeyArena.KeySize) + 4 + 4 + 1 + 8 + 8 + ReplayWindow.StateSize;
    private static readonly int s_peerSize =
        PublicKey.Size + Tai64n.Size + 8 + 1 + 3 + Unsafe.SizeOf<EndpointAddress>() + Unsafe.SizeOf<SourceAddress>() + (6 * 8) + (6 * 8) + 1 + 1;

    /// <summary>Writes every session. Nobody may seal or open packets from now on: not while the answer is under way, and not after it was taken.</summary>
    /// <returns>The frame, in memory that the collector does not move. It holds keys: the caller wipes it.</returns>
    public byte[] ExportSessions()
    {
        lock (_gate)
        {
            Peer[] peers = [.. _peers.Values];
            int sessions = peers.Sum(static peer => Each(peer).Count(static session => session is not null));
            byte[] frame = GC.AllocateArray<byte>(4 + 4 + (peers.Length * s_peerSize) + (sessions * SessionSize), pinned: true);
            FrameWriter writer = new(frame);
            writer.UInt32(TakeOverMagic);
            writer.UInt32((uint)peers.Length);
            foreach (Peer peer in peers)
            {
                Write(ref writer, peer);
            }

            return frame;
        }
    }

    /// <summary>Takes sessions up. The peers are those of the configuration; what is not theirs is no frame of this tunnel.</summary>
    /// <param name="frame">What <see cref="ExportSessions"/> of the process before has written.</param>
    /// <returns>Whether all of it was taken; otherwise the tunnel is of no use.</returns>
    public bool ImportSessions(ReadOnlySpan<byte> frame)
    {
        lock (_gate)
        {
            FrameReader reader = new(frame);
            if (reader.UInt32() != TakeOverMagic || reader.UInt32() != _peers.Count)
            {
                return false;
            }

            for (int i = 0; i < _peers.Count; i++)
            {
                if (!Read(ref reader))
                {
                    return false;
                }
            }

            return reader.IsAtEnd;
        }
    }

    private static Keypair?[] Each(Peer peer)
    {
        (Keypair? previous, Keypair? current, Keypair? next) = peer.Sessions;
        return [previous, current, next];
    }

    private static void Write(ref FrameWriter writer, Peer peer)
    {
        peer.PublicKey.CopyTo(writer.Take(PublicKey.Size));
        (Tai64n stamp, long at, bool any) = peer.Handshake.Initiations;
        stamp.CopyTo(writer.Take(Tai64n.Size));
        writer.Int64(at);
        writer.Flag(any);
        Endpoint? endpoint = peer.Endpoint;
        writer.Flag(endpoint is not null);
        writer.Flag(peer.HasLearnedEndpoint);
        writer.Flag(peer.HasConfiguredEndpoint);
        MemoryMarshal.Write(writer.Take(Unsafe.SizeOf<EndpointAddress>()), endpoint?.Remote ?? default);
        MemoryMarshal.Write(writer.Take(Unsafe.SizeOf<SourceAddress>()), endpoint?.Local ?? default);
        foreach (long value in new[] { peer.ReceivedPackets, peer.ReceivedBytes, peer.SentPackets, peer.SentBytes, peer.LastHandshake, peer.LastReceived })
        {
            writer.Int64(value);
        }

        Timers timers = peer.Timers;
        // A handshake that is under way is not taken along: the next process may begin one at once.
        long initiation = timers.Retransmit != 0 ? long.MinValue : timers.LastInitiation;
        foreach (long value in new[] { initiation, timers.Jitter, timers.Keepalive, timers.NewHandshake, timers.ZeroKeys, timers.Persistent })
        {
            writer.Int64(value);
        }

        writer.Flag(timers.SentLastMinuteHandshake);
        Keypair?[] sessions = Each(peer);
        int present = 0;
        for (int i = 0; i < sessions.Length; i++)
        {
            present |= sessions[i] is { IsRetired: false } ? 1 << i : 0;
        }

        writer.Byte((byte)present);
        for (int i = 0; i < sessions.Length; i++)
        {
            if ((present & (1 << i)) != 0)
            {
                Write(ref writer, sessions[i]!);
            }
        }
    }

    private static void Write(ref FrameWriter writer, Keypair session)
    {
        KeyArena.DangerousGetSpan(session.SendKey).CopyTo(writer.Take(KeyArena.KeySize));
        KeyArena.DangerousGetSpan(session.ReceiveKey).CopyTo(writer.Take(KeyArena.KeySize));
        writer.UInt32(session.LocalIndex);
        writer.UInt32(session.RemoteIndex);
        writer.Flag(session.IsInitiator);
        writer.Int64(session.Created);
        writer.Int64((long)session.SentPackets);
        session.ExportReplay(writer.Take(ReplayWindow.StateSize));
    }

    private bool Read(ref FrameReader reader)
    {
        if (reader.Left < s_peerSize || !_peers.TryGetValue(new PublicKey(reader.Take(PublicKey.Size)), out Peer? peer))
        {
            return false;
        }

        peer.Handshake.RestoreInitiations(Tai64n.Read(reader.Take(Tai64n.Size)), reader.Int64(), reader.Flag());
        bool hasEndpoint = reader.Flag();
        bool learned = reader.Flag();
        bool configured = reader.Flag();
        EndpointAddress remote = MemoryMarshal.Read<EndpointAddress>(reader.Take(Unsafe.SizeOf<EndpointAddress>()));
        SourceAddress local = MemoryMarshal.Read<SourceAddress>(reader.Take(Unsafe.SizeOf<SourceAddress>()));
        if (hasEndpoint)
        {
            peer.RestoreEndpoint(remote, local, learned, configured);
        }

        peer.RestoreCounts(reader.Int64(), reader.Int64(), reader.Int64(), reader.Int64(), reader.Int64(), reader.Int64());
        Timers timers = peer.Timers;
        timers.LastInitiation = reader.Int64();
        timers.Jitter = reader.Int64();
        timers.Keepalive = reader.Int64();
        timers.NewHandshake = reader.Int64();
        timers.ZeroKeys = reader.Int64();
        timers.Persistent = reader.Int64();
        timers.SentLastMinuteHandshake = reader.Flag();
        int present = reader.Byte();
        Keypair?[] sessions = new Keypair?[3];
        for (int i = 0; i < sessions.Length; i++)
        {
            if ((present & (1 << i)) != 0)
            {
                sessions[i] = ReadSession(ref reader, peer);
                if (sessions[i] is null)
                {
                    return false;
                }
            }
        }

        peer.RestoreSessions(sessions[0], sessions[1], sessions[2]);
        if (timers.AnyRunning)
        {
            Activate(peer);
        }

        return present < 8;
    }

    private Keypair? ReadSession(ref FrameReader reader, Peer peer)
    {
        if (reader.Left < SessionSize)
        {
            return null;
        }

        KeyHandle send = _arena.Rent(reader.Take(KeyArena.KeySize));
        KeyHandle receive = _arena.Rent(reader.Take(KeyArena.KeySize));
        SessionKeys keys = new(send, receive, reader.UInt32(), reader.UInt32(), reader.Flag());
        Keypair session = new(peer, keys, reader.Int64());
        ulong used = (ulong)reader.Int64();
        session.SetSendCounter(used > Limits.RejectAfterMessages - TakeOverMargin ? Limits.RejectAfterMessages : used + TakeOverMargin);
        session.ImportReplay(reader.Take(ReplayWindow.StateSize));
        return Indices.TryAdd(keys.LocalIndex, session) ? session : null;
    }

    private ref struct FrameWriter(Span<byte> frame)
    {
        private Span<byte> _rest = frame;

        public Span<byte> Take(int length)
        {
            Span<byte> part = _rest[..length];
            _rest = _rest[length..];
            return part;
        }

        public void UInt32(uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Take(4), value);

        public void Int64(long value) => BinaryPrimitives.WriteInt64LittleEndian(Take(8), value);

        public void Flag(bool value) => Byte(value ? (byte)1 : (byte)0);

        public void Byte(byte value) => Take(1)[0] = value;
    }

    private ref struct FrameReader(ReadOnlySpan<byte> frame)
    {
        private ReadOnlySpan<byte> _rest = frame;

        public readonly int Left => _rest.Length;

        public readonly bool IsAtEnd => _rest.IsEmpty;

        public ReadOnlySpan<byte> Take(int length)
        {
            ReadOnlySpan<byte> part = _rest[..length];
            _rest = _rest[length..];
            return part;
        }

        public uint UInt32() => Left < 4 ? 0 : BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

        public long Int64() => BinaryPrimitives.ReadInt64LittleEndian(Take(8));

        public bool Flag() => Byte() != 0;

        public int Byte() => Take(1)[0];
    }
}
