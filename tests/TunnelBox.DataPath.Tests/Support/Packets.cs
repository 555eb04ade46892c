using System.Net;
using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Tests.Support;

/// <summary>Fills bursts and waits for ports.</summary>
internal static unsafe class Packets
{
    public static Endpoint Endpoint(string address, int port, SourceAddress local = default) =>
        new(EndpointAddress.From(new IPEndPoint(IPAddress.Parse(address), port)), local);

    public static UInt128 Address(string address) => EndpointAddress.From(new IPEndPoint(IPAddress.Parse(address), 1)).Address;

    public static void Add(Burst burst, byte* data, int length, Endpoint? destination, byte ecn = 0)
    {
        int i = burst.Count++;
        burst.Data[i] = (nint)data;
        burst.Length[i] = length;
        burst.Destination[i] = destination;
        burst.Ecn[i] = ecn;
        burst.Verdict[i] = Verdict.Continue;
    }

    /// <summary>Receives until so many packets have come or two seconds are over; copies them out.</summary>
    public static List<(byte[] Data, EndpointAddress From, SourceAddress To, byte Ecn, Verdict Verdict)> Collect(
        IPort port, int count, int milliseconds = 2000)
    {
        var all = new List<(byte[], EndpointAddress, SourceAddress, byte, Verdict)>();
        var burst = new Burst();
        long end = Environment.TickCount64 + milliseconds;
        while (all.Count < count && Environment.TickCount64 < end)
        {
            burst.Clear();
            if (port.Receive(burst) == 0)
            {
                Thread.Sleep(1);
                continue;
            }

            for (int i = 0; i < burst.Count; i++)
            {
                all.Add((new Span<byte>((void*)burst.Data[i], burst.Length[i]).ToArray(), burst.From[i], burst.To[i], burst.Ecn[i], burst.Verdict[i]));
            }
        }

        return all;
    }
}
