using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>This assembly run as a program inside a namespace: the traffic no ready tool makes or judges.</summary>
internal static class Agent
{
    private const int Block = 64 * 1024;
    private const int SocketLevel = 1, SendBufferForce = 32, ReceiveBufferForce = 33;

    /// <summary>What to start for the agent; the verb and its arguments follow.</summary>
    public static IReadOnlyList<string> Command { get; } = ["dotnet", typeof(Agent).Assembly.Location];

    /// <summary>Entry point of the agent.</summary>
    public static int Main(string[] arguments)
    {
        switch (arguments)
        {
            case ["tcp-receive", string address, string port]:
                ReceiveTcp(IPAddress.Parse(address), int.Parse(port));
                return 0;
            case ["tcp-send", string address, string port, string bytes]:
                SendTcp(IPAddress.Parse(address), int.Parse(port), long.Parse(bytes));
                return 0;
            case ["udp-receive", string address, string port]:
                ReceiveUdp(IPAddress.Parse(address), int.Parse(port));
                return 0;
            case ["udp-send", string address, string port, string count, string rate, string size]:
                SendUdp(IPAddress.Parse(address), int.Parse(port), int.Parse(count), int.Parse(rate), int.Parse(size));
                return 0;
            case ["garbage-udp", string address, string port, string count, string seed]:
                Garbage.ToUdp(new IPEndPoint(IPAddress.Parse(address), int.Parse(port)), int.Parse(count), int.Parse(seed));
                return 0;
            case ["replay", string address, string port, string file]:
                Replay(new IPEndPoint(IPAddress.Parse(address), int.Parse(port)), file);
                return 0;
            case ["dns"]:
                AnswerNames();
                return 0;
            case ["garbage-tun", string index, string count, string seed]:
                Garbage.ToDevice(int.Parse(index), int.Parse(count), int.Parse(seed));
                return 0;
            default:
                Console.Error.WriteLine("This assembly holds tests: run it with `dotnet test`. Its verbs are for the tests themselves.");
                return 2;
        }
    }

    private static void ReceiveTcp(IPAddress address, int port)
    {
        using var listener = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(address, port));
        listener.Listen(1);
        Console.WriteLine("ready");
        using Socket stream = listener.Accept();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] block = new byte[Block];
        long total = 0;
        while (stream.Receive(block) is var count && count > 0)
        {
            hash.AppendData(block, 0, count);
            total += count;
        }

        Console.WriteLine($"{total} {Convert.ToHexString(hash.GetHashAndReset())}");
    }

    private static void SendTcp(IPAddress address, int port, long bytes)
    {
        using var stream = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        stream.Connect(new IPEndPoint(address, port));
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] block = new byte[Block];
        for (long left = bytes; left > 0;)
        {
            // Sizes that are no multiple of a segment leave short tails in the middle of the stream.
            int count = (int)Math.Min(left, RandomNumberGenerator.GetInt32(1, Block + 1));
            RandomNumberGenerator.Fill(block.AsSpan(0, count));
            hash.AppendData(block, 0, count);
            for (int sent = 0; sent < count;)
            {
                sent += stream.Send(block.AsSpan(sent, count - sent));
            }

            left -= count;
        }

        stream.Shutdown(SocketShutdown.Send);
        // The peer's close tells that everything was taken.
        _ = stream.Receive(block);
        Console.WriteLine($"{bytes} {Convert.ToHexString(hash.GetHashAndReset())}");
    }

    /// <summary>Counts numbered datagrams until a final one (number −1) comes, or 5 s pass without any.</summary>
    private static void ReceiveUdp(IPAddress address, int port)
    {
        using var socket = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        ForceBuffer(socket, ReceiveBufferForce);
        socket.Bind(new IPEndPoint(address, port));
        Console.WriteLine("ready");
        byte[] datagram = new byte[Block];
        int received = 0, reordered = 0, corrupt = 0, highest = -1;
        var gaps = new List<string>();
        try
        {
            while (true)
            {
                int length = socket.Receive(datagram);
                socket.ReceiveTimeout = 5000;
                int number = BitConverter.ToInt32(datagram);
                if (number < 0)
                {
                    break;
                }

                received++;
                reordered += number < highest ? 1 : 0;
                if (number > highest + 1)
                {
                    gaps.Add($"{highest + 1}-{number - 1}");
                }

                highest = Math.Max(highest, number);
                corrupt += datagram.AsSpan(4, length - 4).IndexOfAnyExcept((byte)number) >= 0 ? 1 : 0;
            }
        }
        catch (SocketException fault) when (fault.SocketErrorCode == SocketError.TimedOut)
        {
            // The final datagrams were lost; what was counted stands.
        }

        Console.WriteLine($"{received} {reordered} {corrupt} {string.Join(',', gaps)}");
    }

    private static void SendUdp(IPAddress address, int port, int count, int rate, int size)
    {
        using var socket = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        ForceBuffer(socket, SendBufferForce);
        socket.Connect(new IPEndPoint(address, port));
        byte[] datagram = new byte[size];
        int refused = 0;
        long start = Environment.TickCount64;
        for (int number = 0; number < count; number++)
        {
            BitConverter.TryWriteBytes(datagram, number);
            datagram.AsSpan(4).Fill((byte)number);
            refused += TrySend(socket, datagram) ? 0 : 1;
            long wait = start + (long)((number + 1) * 1000.0 / rate) - Environment.TickCount64;
            if (wait > 0)
            {
                Thread.Sleep((int)wait);
            }
        }

        for (int again = 0; again < 5; again++)
        {
            BitConverter.TryWriteBytes(datagram, -1);
            TrySend(socket, datagram);
            Thread.Sleep(100);
        }

        Console.WriteLine(refused);
    }

    /// <summary>Sends the captured datagrams of that port again, from a port of its own.</summary>
    private static void Replay(IPEndPoint target, string file)
    {
        using var socket = new Socket(target.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        foreach (IpPacket packet in Capture.Read(File.ReadAllBytes(file)))
        {
            if (packet.IsUdp && packet.DestinationPort == target.Port)
            {
                socket.SendTo(packet.Datagram, SocketFlags.None, target);
            }
        }
    }

    /// <summary>A name server that knows no name, but answers; it runs until it is ended.</summary>
    private static void AnswerNames()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 53));
        Console.WriteLine("listening");
        byte[] message = new byte[512];
        while (true)
        {
            EndPoint from = new IPEndPoint(IPAddress.Any, 0);
            int length = socket.ReceiveFrom(message, ref from);
            if (length >= 12)
            {
                message[2] |= 0x80;
                message[3] = 3; // NXDOMAIN
                socket.SendTo(message.AsSpan(0, length), SocketFlags.None, from);
            }
        }
    }

    /// <summary>Past the limit of net.core.*mem_max: the tests measure the tunnel, not these sockets.</summary>
    private static void ForceBuffer(Socket socket, int option)
    {
        socket.SetRawSocketOption(SocketLevel, option, BitConverter.GetBytes(4 << 20));
    }

    private static bool TrySend(Socket socket, byte[] datagram)
    {
        try
        {
            socket.Send(datagram);
            return true;
        }
        catch (SocketException)
        {
            // An ICMP error of an earlier datagram, or no buffer: the receiver's count tells.
            return false;
        }
    }
}
