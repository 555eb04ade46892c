using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace TunnelBox.Benchmarks;

/// <summary>Sends small datagrams at a steady rate for little processor time: 64 in a system call (UDP_SEGMENT).</summary>
public static class Flood
{
    private const int Udp = 17;
    private const int UdpSegment = 103;
    private const int Size = 64;
    private const int Together = 32;

    /// <summary>Sends.</summary>
    /// <param name="address">Where to.</param>
    /// <param name="port">The port there.</param>
    /// <param name="rate">Datagrams a second.</param>
    /// <param name="seconds">How long.</param>
    public static void Run(string address, int port, int rate, int seconds)
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.SetRawSocketOption(Udp, UdpSegment, BitConverter.GetBytes(Size));
        socket.Connect(IPAddress.Parse(address), port);
        byte[] datagrams = new byte[Size * Together];
        long start = Stopwatch.GetTimestamp();
        for (long sent = 0; ;)
        {
            double elapsed = Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (elapsed >= seconds)
            {
                return;
            }

            if (sent >= elapsed * rate)
            {
                Thread.Sleep(1);
                continue;
            }

            try
            {
                socket.Send(datagrams);
            }
            catch (SocketException)
            {
                // No room at the moment; what was not sent is sent later or not at all.
            }

            sent += Together;
        }
    }
}
