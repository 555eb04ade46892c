namespace TunnelBox.DataPath.Xdp;

/// <content>What senders are told of packets that go no farther (RFC 792, RFC 4443).</content>
internal sealed unsafe partial class GatewayPort
{
    private const int Answers = 16;
    private const int AnswerSize = (Burst.Headroom + IcmpErrors.Largest + Burst.Tailroom + 63) & ~63;

    private readonly IcmpErrors _errors = new();
    private readonly NativeRegion _answers = new(Answers * AnswerSize);
    private readonly int[] _answerLengths = new int[Answers];
    private int _answerCount;

    // Back to where the frame came from, by the device it came from. The program gives what is to be answered to a worker that can transmit there;
    // only while the MTU changes may another have it, and the next packet is answered then.
    private bool AnswerSender(byte* frame, byte* packet, int length, int mtu)
    {
        if (_transmit is not { } queue)
        {
            return false;
        }

        byte* to = queue.Take(out ulong chunk);
        if (to is null)
        {
            queue.Reclaim();
            return false;
        }

        int size = _errors.Write(to, packet, length, _tables.LanSource, mtu);
        if (size == 0)
        {
            queue.PutBack(chunk);
            return false;
        }

        LanPacket.WriteEthernet(to - FrameReader.EthernetSize, LanPacket.Sender(frame), _tables.Mac, packet[0] >> 4 == 6);
        queue.Add(chunk, FrameReader.EthernetSize, size);
        return true;
    }

    // Into the tunnel with the next packets from the local network.
    private void AnswerTunnel(byte* packet, int length, int mtu)
    {
        if (_answerCount < Answers)
        {
            int size = _errors.Write(Answer(_answerCount), packet, length, _tables.TunnelSource, mtu);
            if (size > 0)
            {
                _answerLengths[_answerCount++] = size;
            }
        }
    }

    private void TakeAnswers(Burst burst)
    {
        for (int i = 0; i < _answerCount && burst.Count < Burst.Capacity; i++)
        {
            int index = burst.Count++;
            burst.Data[index] = (nint)Answer(i);
            burst.Length[index] = _answerLengths[i];
        }

        _answerCount = 0;
    }

    private byte* Answer(int index) => _answers.Address + (index * AnswerSize) + Burst.Headroom;
}
