namespace TunnelBox.Control;

/// <summary>Asks a daemon for its status and puts the lines together.</summary>
public static class StatusReader
{
    /// <summary>Milliseconds to wait for a line.</summary>
    private const int Timeout = 30_000;

    /// <summary>Reads it.</summary>
    /// <param name="client">The daemon.</param>
    /// <returns>The device and its peers.</returns>
    /// <exception cref="ControlException">No TunnelBox daemon answers, or not as it should.</exception>
    public static InterfaceReport Read(ControlClient client)
    {
        ArgumentNullException.ThrowIfNull(client);
        DeviceReport? device = null;
        List<PeerReport> peers = [];
        foreach (StatusLine line in client.Stream(
            new ControlRequest { Verb = StatusLine.VerbName }, ControlJson.Default.ControlRequest, StatusJson.Default.StatusLine, Timeout))
        {
            device ??= line.Device;
            peers.AddRange(line.Peers ?? []);
        }

        return device is not null
            ? new InterfaceReport(device, peers)
            : throw new ControlException($"{client.InterfaceName}: the daemon broke off its answer; look at its log.");
    }
}
