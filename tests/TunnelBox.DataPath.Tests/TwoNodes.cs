namespace TunnelBox.DataPath.Tests;

/// <summary>Two ends in memory that know each other, a clock that a test moves, and everything that passed between them.</summary>
public abstract class TwoNodes : IDisposable
{
    private protected TwoNodes()
    {
        A = new MemoryNode(Clock, 1001);
        B = new MemoryNode(Clock, 1002);
    }

    private protected FakeClock Clock { get; } = new();

    private protected MemoryNode A { get; }

    private protected MemoryNode B { get; }

    private protected List<byte[]> Wire { get; } = [];

    public void Dispose()
    {
        A.Dispose();
        B.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected static void Send(MemoryNode node, byte[] packet) => node.Inner.Incoming.Enqueue((packet, default, 0));

    private protected void Settle() => MemoryNode.Settle(A, B);

    private protected void Join(byte[]? presharedKey)
    {
        A.AddPeer(B, "10.0.0.2/32", presharedKey);
        B.AddPeer(A, "10.0.0.1/32", presharedKey);
        Rejoin();
    }

    private protected void Rejoin()
    {
        A.Transmit = (bytes, _, ecn) => Carry(bytes, A, B, ecn);
        B.Transmit = (bytes, _, ecn) => Carry(bytes, B, A, ecn);
        void Carry(byte[] bytes, MemoryNode from, MemoryNode to, byte ecn)
        {
            Wire.Add(bytes);
            to.Outer.Incoming.Enqueue((bytes, from.Address, ecn));
        }
    }

    private protected void Establish()
    {
        Join(null);
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        Settle();
        Assert.Single(B.Delivered);
    }
}
