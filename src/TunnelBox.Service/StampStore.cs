using TunnelBox.Crypto;
using TunnelBox.Linux.Processes;
using TunnelBox.Protocol;

namespace TunnelBox.Service;

/// <summary>
/// Keeps, per device, the latest stamp it may have sent, so that a device never sends a lower one: a peer drops initiations
/// that are not newer than the last (WireGuard paper, section 5.1), and a machine without a battery clock starts in the past.
/// </summary>
/// <remarks>
/// A missing, read-only or damaged directory is a warning and never stops a tunnel: without it the stamps are those of the clock.
/// </remarks>
/// <param name="directory">Where the files are; made when the first is written.</param>
/// <param name="log">Where warnings go.</param>
/// <param name="time">The clock; the system's where null.</param>
public sealed class StampStore(string directory, Log log, TimeProvider? time = null)
{
    /// <summary>Where stamps are kept unless told otherwise.</summary>
    public const string DefaultDirectory = "/var/lib/tunnelbox";

    // Labels of 1970 and of the year 2514: what lies outside is damage, and would shut the device out for good.
    private const ulong Earliest = 1UL << 62;
    private const ulong Latest = Earliest + (1UL << 34);
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly TimeProvider _time = time ?? TimeProvider.System;

    /// <summary>Gives the stamps of a device, later than all that any earlier run sent.</summary>
    /// <param name="device">Its public key.</param>
    /// <returns>The stamps; dispose of them when the device closes or changes its key.</returns>
    public DeviceStamps Open(PublicKey device)
    {
        string path = Path.Combine(directory, FileName(device));
        Tai64n stored = Load(path);
        Tai64n expected = Tai64n.From(_time.GetUtcNow() + DeviceStamps.Reservation);
        if (stored > expected)
        {
            log.Warning($"The clock is at least {stored.Seconds - expected.Seconds} s behind the last handshake this device sent; handshakes go on from there: check the clock.");
        }

        return new DeviceStamps(stored, limit => Save(path, limit), _time);
    }

    /// <summary>Gives a name that is the same for the same device and tells nobody which it is.</summary>
    internal static string FileName(PublicKey device)
    {
        Span<byte> key = stackalloc byte[PublicKey.Size];
        Span<byte> hash = stackalloc byte[Blake2s.HashSize];
        device.CopyTo(key);
        Blake2s.Hash(key, hash);
        return $"{Convert.ToHexStringLower(hash[..16])}.stamp";
    }

    private Tai64n Load(string path)
    {
        try
        {
            // The label stands there twice: a torn or zeroed file is told from a whole one.
            string[] lines = File.ReadAllLines(path);
            Span<byte> label = stackalloc byte[Tai64n.Size];
            if (lines.Length == 2 && lines[0] == lines[1] && lines[0].Length == 2 * Tai64n.Size
                && Convert.FromHexString(lines[0], label, out _, out _) == System.Buffers.OperationStatus.Done
                && Tai64n.Read(label) is { Seconds: >= Earliest and < Latest, Nanoseconds: < 1_000_000_000 } stamp)
            {
                return stamp;
            }

            log.Warning($"{path} is damaged; stamps follow the clock, and peers refuse handshakes if it was set back: check the clock.");
        }
        catch (Exception fault) when (fault is FileNotFoundException or DirectoryNotFoundException)
        {
            return default;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            log.Warning($"{path} cannot be read: {fault} Stamps follow the clock.");
        }

        return default;
    }

    private void Save(string path, Tai64n limit)
    {
        string next = path + ".new";
        try
        {
            Directory.CreateDirectory(directory, OwnerOnly | UnixFileMode.UserExecute);
            Span<byte> label = stackalloc byte[Tai64n.Size];
            limit.CopyTo(label);
            string line = Convert.ToHexStringLower(label);
            FileStreamOptions options = new() { Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = OwnerOnly };
            using (FileStream file = new(next, options))
            {
                file.Write(System.Text.Encoding.ASCII.GetBytes($"{line}\n{line}\n"));
                file.Flush(flushToDisk: true);
            }

            File.Move(next, path, overwrite: true);
            Descriptors.FlushDirectory(directory);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            log.Warning(
                $"{path} cannot be written: {fault} Handshakes work on, but after a restart with an earlier clock peers will refuse them: make {directory} writable.");
        }
    }
}
