using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Numerics;
using System.Text;
using System.Text.RegularExpressions;
using TunnelBox.Control;
using TunnelBox.Control.Tests;
using TunnelBox.Crypto;

namespace TunnelBox.Fuzz.Targets;

/// <summary>
/// A client of the UAPI that says anything. A refused request changes nothing; an accepted one means to the device what a slow reading of its lines says; and
/// what get=1 answers is the device.
/// </summary>
internal sealed partial class UapiTarget() : TextTarget((byte)'\n')
{
    private const string Hex = "6009f3e5317e9575c9b5ed78b638b7ce530d7eda8bcda85d4146c6a4d6b4ad47";

    /// <inheritdoc/>
    public override string Name => "uapi";

    /// <inheritdoc/>
    public override IReadOnlyList<byte[]> Seeds { get; } = Bytes(
        $"set=1\nprivate_key={Hex}\nlisten_port=51820\nfwmark=0\nreplace_peers=true\npublic_key={Hex}\nupdate_only=true\npreshared_key={Hex}\nendpoint=192.0.2.1:7\npersistent_keepalive_interval=25\nreplace_allowed_ips=true\nallowed_ip=10.0.0.0/8\nallowed_ip=-fd00::/8\n\nget=1\n\n",
        $"set=1\npublic_key={Hex}\nremove=true\nprotocol_version=1\n\nset=1\npublic_key={Hex.Replace('6', '7')}\nendpoint=[fe80::1%2]:65535\nallowed_ip=10.1.2.3/9\n\nset=1\n\n");

    /// <inheritdoc/>
    public override int Run(byte[] input)
    {
        Recorder device = new();
        device.Device.Apply(new DeviceChange { ListenPort = 7, FirewallMark = 9 });
        using Conversation stream = new(input);
        int refusals = 0;
        new UapiSession(device, new Lock(), (error, sentence) =>
        {
            refusals++;
            FuzzFind.Unless(error is < 0 and >= -4095, "A refusal has an errno.");
            IsPrintable(sentence);
        }).Run(stream);
        string[] answers = Encoding.ASCII.GetString(stream.Answers).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        int done = answers.Count(answer => answer == "errno=0");
        FuzzFind.Unless(device.Changes.Count == done, $"Each set=1 that was answered with errno=0 was applied, and no other: {device.Changes.Count} were applied, {done} answered.");
        List<string?> read = Requests(input);
        int at = 0;
        foreach (string change in device.Changes)
        {
            while (at < read.Count && read[at] != change)
            {
                at++;
            }

            FuzzFind.Unless(at++ < read.Count, $"What was applied is what the lines say.\napplied {change}\nlines say {string.Join("\n", read)}");
        }

        CheckAnswer(device.Device);
        return (Math.Min(device.Changes.Count, 7) << 8) | (refusals > 0 ? 128 : 0) | Math.Min(answers.Length, 7);
    }

    private static void CheckAnswer(FakeDevice device)
    {
        using Conversation stream = new("get=1\n\n"u8.ToArray());
        new UapiSession(device, new Lock(), (_, _) => { }).Run(stream);
        using UapiReplyParser parser = new("fuzz0");
        foreach (string line in Encoding.ASCII.GetString(stream.Answers).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            FuzzFind.Unless(parser.Line(Encoding.ASCII.GetBytes(line)), $"The client understands its own daemon: {line}");
        }

        DeviceState state = parser.Device;
        FuzzFind.Unless(parser.Error == 0 && state.ListenPort == device.ListenPort && state.FirewallMark == device.FirewallMark, "The client reads the device that was written.");
        FuzzFind.Unless(Text(state.PrivateKey) == Text(device.PrivateKey), "The private key is read as it was written.");
        FuzzFind.Unless(state.Peers.Count == device.Peers.Count, "Every peer is read.");
        foreach (PeerStatus peer in state.Peers)
        {
            FakeDevice.FakePeer other = device.Peers[peer.PublicKey];
            FuzzFind.Unless(
                Text(peer.PresharedKey) == Text(other.PresharedKey) && Equals(peer.Endpoint, other.Endpoint) && peer.PersistentKeepalive == other.Keepalive && peer.AllowedIps.SequenceEqual(other.AllowedIps),
                "Each peer is read as it was written.");
        }
    }

    private static string Text(byte[]? key) => key is null || !key.AsSpan().ContainsAnyExcept((byte)0) ? string.Empty : Convert.ToHexString(key);

    private static string Text(DeviceChange change)
    {
        StringBuilder text = new($"key {Convert.ToHexString(change.PrivateKey ?? [])} port {change.ListenPort} mark {change.FirewallMark} replace {change.ReplacePeers}");
        foreach (PeerChange peer in change.Peers)
        {
            text.Append(CultureInfo.InvariantCulture, $"; peer {peer.PublicKey.ToHex()} {peer.Remove} {peer.UpdateOnly} psk {Convert.ToHexString(peer.PresharedKey ?? [])} at {peer.Endpoint} every {peer.PersistentKeepalive} all {peer.ReplaceAllowedIps}");
            foreach (AllowedIpChange ip in peer.AllowedIps)
            {
                text.Append(CultureInfo.InvariantCulture, $" {(ip.Remove ? "-" : "+")}{ip.Network}");
            }
        }

        return text.ToString();
    }

    // Each set=1 of the stream as its meaning, null where it must be refused. Splitting is the session's own business: where a
    // line is no operation it ends, so what stands behind is not looked at there; here it is, and the search passes over it.
    private static List<string?> Requests(byte[] input)
    {
        List<string?> read = [];
        string[] lines = Encoding.Latin1.GetString(input).Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            if (lines[i] != "set=1")
            {
                continue;
            }

            int end = i + 1;
            while (end < lines.Length && lines[end].TrimEnd('\r').Length > 0)
            {
                end++;
            }

            read.Add(end < lines.Length - 1 ? Meaning(lines[(i + 1)..end]) : null);
        }

        return read;
    }

    private static string? Meaning(string[] lines)
    {
        DeviceChange change = new();
        PeerChange? peer = null;
        foreach (string raw in lines)
        {
            string line = raw.EndsWith('\r') ? raw[..^1] : raw;
            int equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0 || line.Length > UapiRequest.MaxLine)
            {
                return null;
            }

            string value = line[(equals + 1)..];
            switch ((line[..equals], peer))
            {
                case ("public_key", _) when KeyWord().IsMatch(value):
                    peer = new PeerChange(new PublicKey(Convert.FromHexString(value)));
                    change.Peers.Add(peer);
                    break;
                case ("private_key", null) when KeyWord().IsMatch(value):
                    change.PrivateKey = Convert.FromHexString(value);
                    if (change.PrivateKey.AsSpan().ContainsAnyExcept((byte)0))
                    {
                        Curve25519.Clamp(change.PrivateKey);
                    }

                    break;
                case ("listen_port", null) when Number(value, 65535) is { } port:
                    change.ListenPort = (ushort)port;
                    break;
                case ("fwmark", null) when Number(value, uint.MaxValue) is { } mark:
                    change.FirewallMark = (uint)mark;
                    break;
                case ("replace_peers", null) when value == "true":
                    change.ReplacePeers = true;
                    break;
                case ("preshared_key", { } one) when KeyWord().IsMatch(value):
                    one.PresharedKey = Convert.FromHexString(value);
                    break;
                case ("endpoint", { } one) when IPEndPoint.TryParse(value, out IPEndPoint? endpoint) && value.Contains(':', StringComparison.Ordinal):
                    one.Endpoint = endpoint;
                    break;
                case ("persistent_keepalive_interval", { } one) when Number(value, 65535) is { } seconds:
                    one.PersistentKeepalive = (ushort)seconds;
                    break;
                case ("replace_allowed_ips", { } one) when value == "true":
                    one.ReplaceAllowedIps = true;
                    one.AllowedIps.Clear();
                    break;
                case ("update_only", { } one) when value == "true":
                    one.UpdateOnly = true;
                    break;
                case ("remove", { } one) when value == "true":
                    one.Remove = true;
                    break;
                case ("protocol_version", not null) when value == "1":
                    break;
                case ("allowed_ip", { } one) when Network(value.StartsWith('-') ? value[1..] : value) is { } network:
                    one.AllowedIps.Add(new AllowedIpChange(network, value.StartsWith('-')));
                    break;
                default:
                    return null;
            }
        }

        return Text(change);
    }

    private static long? Number(string text, long most) =>
        DecimalWord().IsMatch(text) && BigInteger.Parse(text, CultureInfo.InvariantCulture) is var number && number <= most ? (long)number : null;

    private static IPNetwork? Network(string text)
    {
        string[] parts = text.Split('/');
        if (parts.Length != 2 || !IPAddress.TryParse(parts[0], out IPAddress? address) || Number(parts[1], address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128) is not { } length)
        {
            return null;
        }

        byte[] bytes = address.GetAddressBytes();
        for (int bit = (int)length; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        }

        return new IPNetwork(new IPAddress(bytes), (int)length);
    }

    [GeneratedRegex("^[0-9a-fA-F]{64}$", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex KeyWord();

    [GeneratedRegex("^[0-9]+$", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex DecimalWord();

    private sealed class Recorder : IUapiDevice
    {
        public FakeDevice Device { get; } = new();

        public List<string> Changes { get; } = [];

        public void Read(IDeviceVisitor visitor) => Device.Read(visitor);

        public int Apply(DeviceChange change)
        {
            Changes.Add(Text(change));
            return Device.Apply(change);
        }
    }

    // Hands over what a client sends in pieces, and keeps what it is answered.
    private sealed class Conversation(byte[] input) : Stream
    {
        private readonly MemoryStream _answers = new();
        private int _at;

        public byte[] Answers => _answers.ToArray();

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(Span<byte> buffer)
        {
            int count = Math.Min(Math.Min(buffer.Length, 1 + (input.Length / 3)), input.Length - _at);
            input.AsSpan(_at, count).CopyTo(buffer);
            _at += count;
            return count;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(ReadOnlySpan<byte> buffer) => _answers.Write(buffer);

        public override void Write(byte[] buffer, int offset, int count) => _answers.Write(buffer, offset, count);
    }
}
