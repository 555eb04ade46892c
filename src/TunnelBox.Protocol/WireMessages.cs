using System.Buffers.Binary;
using TunnelBox.Visibility;

namespace TunnelBox.Protocol;

/// <summary>The first byte of a WireGuard message; three zero bytes follow it.</summary>
public enum MessageType : byte
{
    /// <summary>No message.</summary>
    None = 0,

    /// <summary>Handshake initiation, <see cref="InitiationMessage"/>.</summary>
    Initiation = 1,

    /// <summary>Handshake response, <see cref="ResponseMessage"/>.</summary>
    Response = 2,

    /// <summary>Cookie reply, <see cref="CookieReplyMessage"/>.</summary>
    CookieReply = 3,

    /// <summary>Transport data, <see cref="DataMessage"/>.</summary>
    Data = 4,
}

/// <summary>What all messages have in common (WireGuard paper, section 5.4). All numbers are little-endian.</summary>
public static class WireMessages
{
    /// <summary>Bytes of mac1, and of mac2.</summary>
    public const int MacSize = 16;

    /// <summary>Tells which message a datagram is, by its first four bytes and its length.</summary>
    /// <param name="datagram">The whole datagram.</param>
    /// <param name="type">The message, when the answer is <see cref="DropReason.None"/>.</param>
    /// <returns><see cref="DropReason.None"/>, <see cref="DropReason.InHdrError"/> or <see cref="DropReason.InMessageType"/>.</returns>
    public static DropReason Classify(ReadOnlySpan<byte> datagram, out MessageType type)
    {
        type = MessageType.None;
        if (!BinaryPrimitives.TryReadUInt32LittleEndian(datagram, out uint word))
        {
            return DropReason.InHdrError;
        }

        // Packets at the MTU are not padded to 16, so that data has a smallest length but no multiple.
        bool fits;
        switch (word)
        {
            case (uint)MessageType.Data:
                fits = datagram.Length >= DataMessage.MinimumSize;
                break;
            case (uint)MessageType.Initiation:
                fits = datagram.Length == InitiationMessage.Size;
                break;
            case (uint)MessageType.Response:
                fits = datagram.Length == ResponseMessage.Size;
                break;
            case (uint)MessageType.CookieReply:
                fits = datagram.Length == CookieReplyMessage.Size;
                break;
            default:
                return DropReason.InMessageType;
        }

        if (!fits)
        {
            return DropReason.InHdrError;
        }

        type = (MessageType)word;
        return DropReason.None;
    }

    /// <summary>Tells whether a datagram is an initiation or a response: the two messages that end in mac1 and mac2.</summary>
    /// <param name="datagram">The whole datagram.</param>
    /// <returns>Whether it is.</returns>
    public static bool HasMacs(ReadOnlySpan<byte> datagram) =>
        Is(datagram, MessageType.Initiation, InitiationMessage.Size) || Is(datagram, MessageType.Response, ResponseMessage.Size);

    /// <summary>Gets mac1 of an initiation or a response.</summary>
    internal static Span<byte> Mac1(Span<byte> message) => message.Slice(message.Length - (2 * MacSize), MacSize);

    /// <summary>Gets mac1 of an initiation or a response.</summary>
    internal static ReadOnlySpan<byte> Mac1(ReadOnlySpan<byte> message) => message.Slice(message.Length - (2 * MacSize), MacSize);

    /// <summary>Gets the bytes that mac1 covers.</summary>
    internal static ReadOnlySpan<byte> CoveredByMac1(ReadOnlySpan<byte> message) => message[..^(2 * MacSize)];

    /// <summary>Gets mac2 of an initiation or a response.</summary>
    internal static Span<byte> Mac2(Span<byte> message) => message[^MacSize..];

    /// <summary>Gets mac2 of an initiation or a response.</summary>
    internal static ReadOnlySpan<byte> Mac2(ReadOnlySpan<byte> message) => message[^MacSize..];

    /// <summary>Gets the bytes that mac2 covers: all before it, mac1 included.</summary>
    internal static ReadOnlySpan<byte> CoveredByMac2(ReadOnlySpan<byte> message) => message[..^MacSize];

    /// <summary>Tells whether a datagram has a message's type and exact size.</summary>
    internal static bool Is(ReadOnlySpan<byte> datagram, MessageType type, int size) =>
        datagram.Length == size && BinaryPrimitives.ReadUInt32LittleEndian(datagram) == (uint)type;

    /// <summary>Reads a number that the message's size was checked for.</summary>
    internal static uint ReadIndex(ReadOnlySpan<byte> message, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(message[offset..]);

    /// <summary>Writes a number.</summary>
    internal static void WriteIndex(Span<byte> message, int offset, uint value) =>
        BinaryPrimitives.WriteUInt32LittleEndian(message[offset..], value);
}

/// <summary>The first message of a handshake: 148 bytes (section 5.4.2).</summary>
public static class InitiationMessage
{
    /// <summary>Bytes in the message.</summary>
    public const int Size = 148;

    internal const int SenderOffset = 4;
    internal const int EphemeralOffset = 8;
    internal const int EphemeralSize = 32;
    internal const int StaticOffset = 40;
    internal const int StaticSize = 32 + 16;
    internal const int TimestampOffset = 88;
    internal const int TimestampSize = Tai64n.Size + 16;

    /// <summary>Tells whether a datagram is an initiation by type and size.</summary>
    /// <param name="datagram">The whole datagram.</param>
    /// <returns>Whether it is.</returns>
    public static bool Is(ReadOnlySpan<byte> datagram) => WireMessages.Is(datagram, MessageType.Initiation, Size);

    /// <summary>Gets the index by which the initiator names the session.</summary>
    /// <param name="message">An initiation.</param>
    /// <returns>The index.</returns>
    public static uint Sender(ReadOnlySpan<byte> message) => WireMessages.ReadIndex(message, SenderOffset);
}

/// <summary>The second message of a handshake: 92 bytes (section 5.4.3).</summary>
public static class ResponseMessage
{
    /// <summary>Bytes in the message.</summary>
    public const int Size = 92;

    internal const int SenderOffset = 4;
    internal const int ReceiverOffset = 8;
    internal const int EphemeralOffset = 12;
    internal const int EphemeralSize = 32;
    internal const int EmptyOffset = 44;
    internal const int EmptySize = 16;

    /// <summary>Tells whether a datagram is a response by type and size.</summary>
    /// <param name="datagram">The whole datagram.</param>
    /// <returns>Whether it is.</returns>
    public static bool Is(ReadOnlySpan<byte> datagram) => WireMessages.Is(datagram, MessageType.Response, Size);

    /// <summary>Gets the index by which the responder names the session.</summary>
    /// <param name="message">A response.</param>
    /// <returns>The index.</returns>
    public static uint Sender(ReadOnlySpan<byte> message) => WireMessages.ReadIndex(message, SenderOffset);

    /// <summary>Gets the initiator's index, taken from the initiation.</summary>
    /// <param name="message">A response.</param>
    /// <returns>The index.</returns>
    public static uint Receiver(ReadOnlySpan<byte> message) => WireMessages.ReadIndex(message, ReceiverOffset);
}

/// <summary>The answer of a loaded responder: 64 bytes (section 5.4.7).</summary>
public static class CookieReplyMessage
{
    /// <summary>Bytes in the message.</summary>
    public const int Size = 64;

    internal const int ReceiverOffset = 4;
    internal const int NonceOffset = 8;
    internal const int NonceSize = 24;
    internal const int CookieOffset = 32;
    internal const int CookieSize = 16 + 16;

    /// <summary>Tells whether a datagram is a cookie reply by type and size.</summary>
    /// <param name="datagram">The whole datagram.</param>
    /// <returns>Whether it is.</returns>
    public static bool Is(ReadOnlySpan<byte> datagram) => WireMessages.Is(datagram, MessageType.CookieReply, Size);

    /// <summary>Gets the sender index of the message that is answered.</summary>
    /// <param name="message">A cookie reply.</param>
    /// <returns>The index.</returns>
    public static uint Receiver(ReadOnlySpan<byte> message) => WireMessages.ReadIndex(message, ReceiverOffset);
}

/// <summary>A sealed packet: 16 bytes of header, the ciphertext, 16 bytes of tag (section 5.4.6).</summary>
public static class DataMessage
{
    /// <summary>Bytes before the ciphertext.</summary>
    public const int HeaderSize = 16;

    /// <summary>Bytes that a message has more than its plaintext.</summary>
    public const int Overhead = HeaderSize + 16;

    /// <summary>Bytes of the smallest message, an empty keepalive.</summary>
    public const int MinimumSize = Overhead;

    internal const int ReceiverOffset = 4;
    internal const int CounterOffset = 8;

    /// <summary>Gets the index by which the receiver names the session.</summary>
    /// <param name="message">A data message.</param>
    /// <returns>The index.</returns>
    public static uint Receiver(ReadOnlySpan<byte> message) => WireMessages.ReadIndex(message, ReceiverOffset);

    /// <summary>Gets the counter, the cipher's nonce.</summary>
    /// <param name="message">A data message.</param>
    /// <returns>The counter.</returns>
    public static ulong Counter(ReadOnlySpan<byte> message) => BinaryPrimitives.ReadUInt64LittleEndian(message[CounterOffset..]);

    /// <summary>Writes the 16 bytes of header.</summary>
    /// <param name="message">At least 16 bytes.</param>
    /// <param name="receiver">The receiver's index.</param>
    /// <param name="counter">The packet's counter.</param>
    public static void WriteHeader(Span<byte> message, uint receiver, ulong counter)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(message[CounterOffset..], counter);
        BinaryPrimitives.WriteUInt64LittleEndian(message, ((ulong)receiver << 32) | (uint)MessageType.Data);
    }
}
