using System.Buffers.Binary;

namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>tcpdump(8) on one device, read back as packets.</summary>
internal sealed class Capture
{
    private const uint Ethernet = 1, RawIp = 101, LinuxCooked = 113, LinuxCooked2 = 276;

    private readonly Lab _lab;
    private readonly RunningProcess _tcpdump;

    private Capture(Lab lab, RunningProcess tcpdump, string path)
    {
        _lab = lab;
        _tcpdump = tcpdump;
        Path = path;
    }

    /// <summary>The pcap file.</summary>
    public string Path { get; }

    /// <summary>Starts capturing; returns once packets are seen.</summary>
    public static async Task<Capture> StartAsync(Lab lab, NetworkNamespace space, string device, string filter = "", int snapLength = 256)
    {
        string path = System.IO.Path.Combine(lab.Folder, Names.Next() + ".pcap");
        RunningProcess tcpdump = await space.StartAsync(
            ["tcpdump", "-Z", "root", "-n", "-U", "--immediate-mode", "-B", "8192", "-s", snapLength.ToString(), "-i", device, "-w", path,
                .. filter.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
        await tcpdump.WaitForOutputAsync("listening on", lab.Deadline);
        return new Capture(lab, tcpdump, path);
    }

    /// <summary>Stops and reads what was seen.</summary>
    public async Task<IReadOnlyList<IpPacket>> StopAsync()
    {
        await _tcpdump.SignalAsync("INT");
        CommandResult result = await _tcpdump.WaitAsync(_lab.Deadline);
        Assert.DoesNotMatch("[1-9][0-9]* packets dropped by kernel", result.Error);
        return Read(await File.ReadAllBytesAsync(Path, _lab.Deadline));
    }

    /// <summary>What has been seen so far; a packet that is still being written is left out.</summary>
    public async Task<IReadOnlyList<IpPacket>> PeekAsync()
    {
        return Read(await File.ReadAllBytesAsync(Path, _lab.Deadline));
    }

    /// <summary>The IP packets of a pcap file; a record that is cut off ends it.</summary>
    public static IReadOnlyList<IpPacket> Read(byte[] file)
    {
        const int FileHeader = 24, RecordHeader = 16;
        var packets = new List<IpPacket>();
        if (file.Length < FileHeader)
        {
            return packets;
        }

        int link = BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(20)) switch
        {
            Ethernet => 14,
            RawIp => 0,
            LinuxCooked => 16,
            LinuxCooked2 => 20,
            uint other => throw new InvalidDataException($"Link type {other} is not one the tests capture on."),
        };
        int position = FileHeader;
        while (position + RecordHeader <= file.Length)
        {
            ReadOnlySpan<byte> header = file.AsSpan(position, RecordHeader);
            int length = BinaryPrimitives.ReadInt32LittleEndian(header[8..]);
            position += RecordHeader;
            if (position + length > file.Length)
            {
                break;
            }

            double time = BinaryPrimitives.ReadUInt32LittleEndian(header) + (BinaryPrimitives.ReadUInt32LittleEndian(header[4..]) / 1e6);
            if (length > link && IpPacket.Parse(time, file.AsSpan(position + link, length - link)) is { } packet)
            {
                packets.Add(packet);
            }

            position += length;
        }

        return packets;
    }
}
