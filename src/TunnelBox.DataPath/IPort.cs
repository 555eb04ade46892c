namespace TunnelBox.DataPath;

/// <summary>
/// One queue of packets in and out: a TUN queue, a UDP socket pair, AF_XDP queues. A port belongs to one worker,
/// never blocks, and is called once per burst.
/// </summary>
public interface IPort : IDisposable
{
    /// <summary>Most descriptors of one port: the queues of a large device, two sockets, and an event.</summary>
    const int MaxPollDescriptors = 67;

    /// <summary>Gets what status output calls this port, with the offloads in force, such as <c>tun wg0 vnet_hdr tso4 tso6 uso</c>.</summary>
    string Description { get; }

    /// <summary>Gets a value indicating whether the device behind the port is gone for good.</summary>
    bool Gone => false;

    /// <summary>
    /// Writes the descriptors that become readable when <see cref="Receive"/> would have work.
    /// </summary>
    /// <param name="descriptors">Room for at least <see cref="MaxPollDescriptors"/>.</param>
    /// <returns>How many were written.</returns>
    int GetPollDescriptors(Span<int> descriptors);

    /// <summary>
    /// Appends packets to an empty burst, up to its capacity. What a super-packet holds beyond that comes with the next
    /// call: nothing is lost. Bytes handed out by the call before become invalid.
    /// </summary>
    /// <param name="burst">An empty burst.</param>
    /// <returns>Packets appended; 0 when nothing is there.</returns>
    int Receive(Burst burst);

    /// <summary>
    /// Appends packets to another empty burst, and what the calls since the last <see cref="Receive"/> handed out stays valid beside them.
    /// </summary>
    /// <param name="burst">An empty burst.</param>
    /// <returns>Packets appended; 0 when nothing is there, or no memory is left to hold them in.</returns>
    int ReceiveMore(Burst burst) => 0;

    /// <summary>
    /// Gets a value indicating whether the last <see cref="Receive"/> stopped before it had seen the queue empty. The rest of a
    /// super-packet makes no descriptor readable, so a worker blocks only when this is false.
    /// </summary>
    bool MoreWaiting { get; }

    /// <summary>Gets a value indicating whether packets were taken from the kernel and not handed out yet: with the port's end they would be lost.</summary>
    bool Holds => false;

    /// <summary>
    /// Sends every packet whose verdict is <see cref="Verdict.Continue"/>, in order, and sets its verdict to
    /// <see cref="Verdict.Done"/>, or to <see cref="Verdict.Dropped"/> with the reason. An inner port may overwrite the 16 bytes
    /// before each packet: there stood the header that opening the packet used up.
    /// </summary>
    /// <param name="burst">The packets.</param>
    void Send(Burst burst);
}
