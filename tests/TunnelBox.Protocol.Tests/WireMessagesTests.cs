using System.Net;
using TunnelBox.Visibility;

namespace TunnelBox.Protocol.Tests;

public sealed class WireMessagesTests
{
    [Theory]
    [InlineData(1, 148, MessageType.Initiation)]
    [InlineData(2, 92, MessageType.Response)]
    [InlineData(3, 64, MessageType.CookieReply)]
    [InlineData(4, 32, MessageType.Data)]
    [InlineData(4, 33, MessageType.Data)]
    [InlineData(4, 1452, MessageType.Data)]
    public void A_message_is_known_by_type_and_size(int first, int length, MessageType expected)
    {
        byte[] datagram = new byte[length];
        datagram[0] = (byte)first;
        Assert.Equal(DropReason.None, WireMessages.Classify(datagram, out MessageType type));
        Assert.Equal(expected, type);
        for (int i = 1; i < 4; i++)
        {
            datagram[i] = 1;
            Assert.Equal(DropReason.InMessageType, WireMessages.Classify(datagram, out type));
            Assert.Equal(MessageType.None, type);
            datagram[i] = 0;
        }
    }

    [Theory]
    [InlineData(0, 0, DropReason.InHdrError)]
    [InlineData(4, 3, DropReason.InHdrError)]
    [InlineData(1, 147, DropReason.InHdrError)]
    [InlineData(1, 149, DropReason.InHdrError)]
    [InlineData(2, 91, DropReason.InHdrError)]
    [InlineData(2, 93, DropReason.InHdrError)]
    [InlineData(3, 63, DropReason.InHdrError)]
    [InlineData(3, 65, DropReason.InHdrError)]
    [InlineData(4, 31, DropReason.InHdrError)]
    [InlineData(0, 148, DropReason.InMessageType)]
    [InlineData(5, 148, DropReason.InMessageType)]
    [InlineData(255, 4, DropReason.InMessageType)]
    public void What_is_no_message_has_a_reason(int first, int length, DropReason expected)
    {
        byte[] datagram = new byte[length];
        if (length > 0)
        {
            datagram[0] = (byte)first;
        }

        Assert.Equal(expected, WireMessages.Classify(datagram, out MessageType type));
        Assert.Equal(MessageType.None, type);
    }

    [Fact]
    public void A_data_header_is_written_and_read()
    {
        byte[] message = new byte[16];
        DataMessage.WriteHeader(message, 0x11223344, 0x0102030405060708);
        Assert.Equal("04000000443322110807060504030201", Convert.ToHexString(message));
        Assert.Equal(0x11223344u, DataMessage.Receiver(message));
        Assert.Equal(0x0102030405060708UL, DataMessage.Counter(message));
    }

    [Fact]
    public void No_datagram_throws_or_changes_anything()
    {
        using HandshakeFixture f = new();
        using CookieChecker checker = new(f.Arena, f.Responder.PublicKey);
        CookieJar jar = new(f.Responder.PublicKey);
        EndpointAddress from = EndpointAddress.From(new IPEndPoint(IPAddress.Loopback, 1));
        byte[] initiation = f.Initiate();
        jar.AddMacs(initiation, 0);
        byte[] cookie = new byte[64];
        checker.CreateReply(initiation, from, 0, f.Random, cookie);
        byte[] response = new byte[92];
        Assert.Equal(DropReason.None, f.Receive(initiation));
        Assert.True(f.ToInitiator.CreateResponse(9, f.Random, response));
        byte[][] valid = [initiation, response, cookie, new byte[32], new byte[200]];

        Random random = new(20);
        byte[] buffer = new byte[256];
        int[] seen = new int[5];
        for (int i = 0; i < 1_200_000; i++)
        {
            int length;
            if (i % 3 == 0)
            {
                length = random.Next(buffer.Length);
                random.NextBytes(buffer.AsSpan(0, length));
                if (length > 3 && i % 2 == 0)
                {
                    buffer[0] = (byte)random.Next(6);
                    buffer.AsSpan(1, 3).Clear();
                }
            }
            else
            {
                // A right message with one or two changed bytes, sometimes cut or grown.
                byte[] right = valid[random.Next(valid.Length)];
                right.CopyTo(buffer, 0);
                length = i % 5 == 0 ? random.Next(buffer.Length) : right.Length;
                if (right[0] == 0)
                {
                    buffer[0] = 4;
                }

                buffer[random.Next(buffer.Length)] ^= (byte)random.Next(1, 256);
                buffer[random.Next(right.Length)] ^= (byte)random.Next(1, 256);
            }

            ReadOnlySpan<byte> datagram = buffer.AsSpan(0, length);
            DropReason reason = WireMessages.Classify(datagram, out MessageType type);
            seen[(int)type]++;
            Assert.Equal(reason == DropReason.None, type != MessageType.None);
            switch (type)
            {
                case MessageType.Initiation:
                    _ = InitiationMessage.Sender(datagram);
                    Assert.False(checker.IsMac1Valid(datagram) && !datagram[..132].SequenceEqual(initiation.AsSpan(0, 132)));
                    break;
                case MessageType.Response:
                    _ = ResponseMessage.Sender(datagram) + ResponseMessage.Receiver(datagram);
                    Assert.False(checker.IsMac1Valid(datagram));
                    break;
                case MessageType.CookieReply:
                    _ = CookieReplyMessage.Receiver(datagram);
                    break;
                case MessageType.Data:
                    _ = DataMessage.Counter(datagram) + DataMessage.Receiver(datagram);
                    break;
                default:
                    break;
            }

            // Whatever the type, every reader takes every datagram.
            Assert.False(checker.IsMac2Valid(datagram, from, 0));
            if (jar.ConsumeReply(datagram, 0))
            {
                Assert.True(datagram[8..].SequenceEqual(cookie.AsSpan(8)));
                jar.AddMacs(initiation.ToArray(), 0);
            }

            // A Diffie-Hellman costs more than all else here, so those readers see every hundredth.
            if (i % 100 == 0)
            {
                bool same = length == 148 && datagram[..4].SequenceEqual(initiation.AsSpan(0, 4))
                    && datagram[8..116].SequenceEqual(initiation.AsSpan(8, 108));
                bool sameSender = length == 148 && datagram[..4].SequenceEqual(initiation.AsSpan(0, 4))
                    && datagram[8..88].SequenceEqual(initiation.AsSpan(8, 80));
                DropReason opened = f.Opener.Open(f.Responder, datagram);
                Assert.Equal(sameSender ? DropReason.None : DropReason.InHandshakeInvalid, opened);
                if (opened == DropReason.None)
                {
                    Assert.Equal(same ? DropReason.InHandshakeReplay : DropReason.InHandshakeInvalid, f.Opener.Accept(f.ToInitiator, f.Now));
                }

                bool right = length == 92 && datagram[..4].SequenceEqual(response.AsSpan(0, 4))
                    && datagram[8..60].SequenceEqual(response.AsSpan(8, 52));
                if (!right)
                {
                    Assert.False(f.ToResponder.ConsumeResponse(f.Initiator, datagram));
                }
            }
        }

        Assert.All(seen, count => Assert.True(count > 10_000));
        Assert.True(f.ToResponder.ConsumeResponse(f.Initiator, response));
    }
}
