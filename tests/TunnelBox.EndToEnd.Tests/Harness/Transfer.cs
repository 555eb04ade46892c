namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>What arrived of a numbered stream of datagrams.</summary>
internal sealed record DatagramCount(int Sent, int Received, int Reordered, int Corrupt, string Gaps)
{
    /// <summary>Datagrams that did not arrive.</summary>
    public int Lost => Sent - Received;

    /// <summary>How many of the datagrams with these numbers did not arrive.</summary>
    public int LostBetween(int from, int to)
    {
        return Gaps.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(static gap => gap.Split('-'))
            .Sum(gap => Math.Max(0, Math.Min(to, int.Parse(gap[1])) - Math.Max(from, int.Parse(gap[0])) + 1));
    }

    /// <summary>Fails unless all came whole and in order, but for a few lost.</summary>
    public void Expect(int mayBeLost)
    {
        Assert.True(Lost <= mayBeLost && Reordered == 0 && Corrupt == 0, $"{this} with {Lost} lost; {mayBeLost} may be");
    }
}

/// <summary>Data whose arrival is checked byte by byte, sent by <see cref="Agent"/>.</summary>
internal static class Transfer
{
    private static int s_port = 20000;

    /// <summary>Sends random bytes over TCP and compares the SHA-256 of both ends.</summary>
    public static async Task ExpectTcpAsync(Lab lab, NetworkNamespace from, NetworkNamespace to, string address, long bytes)
    {
        string port = Interlocked.Increment(ref s_port).ToString();
        await using RunningProcess receiver = await to.StartAsync([.. Agent.Command, "tcp-receive", address, port]);
        await receiver.WaitForOutputAsync("ready", lab.Deadline);
        CommandResult sent = await from.RunAsync([.. Agent.Command, "tcp-send", address, port, bytes.ToString()]);
        CommandResult received = (await receiver.WaitAsync(lab.Deadline)).Expect();
        Assert.Equal(sent.Output.Trim(), received.Output.Split('\n')[1]);
    }

    /// <summary>Sends numbered datagrams at a rate (datagrams a second) and counts what arrives; those the sender's own socket refused do not count as sent.</summary>
    public static async Task<DatagramCount> UdpAsync(
        Lab lab, NetworkNamespace from, NetworkNamespace to, string address, int count, int rate, int size)
    {
        string port = Interlocked.Increment(ref s_port).ToString();
        await using RunningProcess receiver = await to.StartAsync([.. Agent.Command, "udp-receive", address, port]);
        await receiver.WaitForOutputAsync("ready", lab.Deadline);
        CommandResult sent = await from.RunAsync([.. Agent.Command, "udp-send", address, port, count.ToString(), rate.ToString(), size.ToString()]);
        CommandResult received = (await receiver.WaitAsync(lab.Deadline)).Expect();
        string[] counts = received.Output.Split('\n')[1].Split(' ');
        return new DatagramCount(
            count - int.Parse(sent.Output), int.Parse(counts[0]), int.Parse(counts[1]), int.Parse(counts[2]), counts[3]);
    }
}
