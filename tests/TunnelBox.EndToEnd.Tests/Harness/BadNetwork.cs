using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>A datagram that came through the relay: when, from where, and what.</summary>
internal sealed record Arrival(TimeSpan Time, IPEndPoint From, byte[] Bytes);

/// <summary>The relay of <c>interop/impair</c> between two sockets on loopback.</summary>
internal sealed partial class BadNetwork : IAsyncDisposable
{
    private static readonly Lazy<Task<string>> s_program = new(CompileAsync);

    private readonly Lab _lab;
    private readonly RunningProcess _relay;
    private readonly IPEndPoint[] _sides;

    private BadNetwork(Lab lab, RunningProcess relay, Socket first, Socket second, IPEndPoint[] sides)
    {
        _lab = lab;
        _relay = relay;
        First = first;
        Second = second;
        _sides = sides;
    }

    /// <summary>The socket at side a.</summary>
    public Socket First { get; }

    /// <summary>The socket at side b.</summary>
    public Socket Second { get; }

    /// <summary>What the relay is sent to at side a, and at side b until it roams.</summary>
    public (IPEndPoint A, IPEndPoint B) Addresses => (_sides[0], _sides[1]);

    /// <summary>Starts the relay with a seed and gives it commands.</summary>
    public static async Task<BadNetwork> StartAsync(Lab lab, ulong seed, params string[] commands)
    {
        Socket first = Open(), second = Open();
        RunningProcess relay = await lab.StartAsync(
            [await s_program.Value, seed.ToString(), "127.0.0.1:0", first.LocalEndPoint!.ToString()!, "127.0.0.1:0", second.LocalEndPoint!.ToString()!]);
        await relay.WaitForOutputAsync("ready", lab.Deadline);
        Match ports = Ports().Match(relay.Output);
        Assert.Contains($"seed {seed}\n", relay.Output, StringComparison.Ordinal);
        var made = new BadNetwork(
            lab, relay, first, second, [.. new[] { "a", "b" }.Select(side => new IPEndPoint(IPAddress.Loopback, int.Parse(ports.Groups[side].ValueSpan)))]);
        foreach (string command in commands)
        {
            await made.CommandAsync(command);
        }

        return made;
    }

    /// <summary>Gives the relay a command that it obeys.</summary>
    public async Task CommandAsync(string command)
    {
        int before = Said();
        await _relay.WriteAsync(command + "\n");
        await Eventually.TrueAsync(() => Task.FromResult(Said() > before), () => $"no answer to {command}: {_relay.Output}", _lab.Deadline);
        Assert.EndsWith($"ok {command.Split(' ')[0]}\n", _relay.Output, StringComparison.Ordinal);

        int Said() => _relay.Output.Count(static letter => letter == '\n');
    }

    /// <summary>Writes a command, right or wrong.</summary>
    public Task WriteAsync(string command) => _relay.WriteAsync(command + "\n");

    /// <summary>Waits for a word of the relay.</summary>
    public Task ExpectAsync(string word) => _relay.WaitForOutputAsync(word, _lab.Deadline);

    /// <summary>Sends numbered datagrams from the first end, few at a time, and takes what comes out at the second one until nothing came for 300 ms.</summary>
    public async Task<List<Arrival>> PassAsync(int count, int size)
    {
        List<Arrival> arrived = [];
        using var over = new CancellationTokenSource();
        Task taking = Task.Run(() => Take(Second, arrived, over.Token));
        for (int number = 0; number < count; number++)
        {
            First.SendTo(Numbered(number, size), _sides[0]);
            if (number % 20 == 19)
            {
                await Task.Delay(2, _lab.Deadline);
            }
        }

        await over.CancelAsync();
        await taking;
        return arrived;
    }

    /// <summary>Ends the relay.</summary>
    /// <returns>What it counted from side a to side b, or the other way.</returns>
    public async Task<RelayCounts> EndAsync(bool back = false)
    {
        await _relay.WriteAsync("quit\n");
        CommandResult result = (await _relay.WaitAsync(_lab.Deadline)).Expect();
        using var json = JsonDocument.Parse(result.Output.TrimEnd().Split('\n')[^1]);
        Assert.Equal(0, json.RootElement.GetProperty("held").GetInt32());
        JsonElement way = json.RootElement.GetProperty(back ? "b-a" : "a-b");
        Assert.Equal(0, way.GetProperty("missed").GetInt32());
        int Sum(string name) => new[] { "handshake", "keepalive", "data", "large" }.Sum(one => way.GetProperty(one).GetProperty(name).GetInt32());
        var counts = new RelayCounts(
            Sum("received"), Sum("sent"), Sum("lost"), Sum("mtu"), Sum("queue"), Sum("stale"), Sum("duplicated"), Sum("reordered"), Sum("delayed"), Sum("corrupted"));
        Assert.Equal(counts.Received + counts.Duplicated, counts.Lost + counts.Mtu + counts.Queue + counts.Stale + counts.Sent);
        return counts;
    }

    /// <summary>The content of the datagram of a number.</summary>
    public static byte[] Numbered(int number, int size)
    {
        byte[] made = new byte[size];
        new Random(number).NextBytes(made);
        made[0] = 4;
        BitConverter.TryWriteBytes(made.AsSpan(4), number);
        return made;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        First.Dispose();
        Second.Dispose();
        await _relay.DisposeAsync();
    }

    private static async Task<string> CompileAsync()
    {
        string folder = Path.Combine(TunnelProgram.Root, "artifacts", "impair");
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        (await RunningProcess.RunAsync([Path.Combine(TunnelProgram.Root, "interop", "impair", "build"), folder], limit.Token)).Expect();
        return Path.Combine(folder, "relay");
    }

    private static void Take(Socket socket, List<Arrival> into, CancellationToken over)
    {
        byte[] bytes = new byte[2048];
        var watch = System.Diagnostics.Stopwatch.StartNew();
        while (true)
        {
            if (socket.Poll(TimeSpan.FromMilliseconds(300), SelectMode.SelectRead))
            {
                EndPoint from = new IPEndPoint(IPAddress.Any, 0);
                int length = socket.ReceiveFrom(bytes, ref from);
                into.Add(new Arrival(watch.Elapsed, (IPEndPoint)from, bytes[..length]));
            }
            else if (over.IsCancellationRequested)
            {
                return;
            }
        }
    }

    private static Socket Open()
    {
        var made = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveBufferSize = 4 << 20 };
        made.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return made;
    }

    [GeneratedRegex("^ports (?<a>[0-9]+) (?<b>[0-9]+)$", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Ports();
}

/// <summary>What the relay did to the datagrams of one direction.</summary>
internal sealed record RelayCounts(
    int Received, int Sent, int Lost, int Mtu, int Queue, int Stale, int Duplicated, int Reordered, int Delayed, int Corrupted);
