using System.Net;
using TunnelBox.Crypto;

namespace TunnelBox.Control;

/// <summary>A device as the UAPI sees it: something that can be read as a whole and changed as a whole.</summary>
public interface IUapiDevice
{
    /// <summary>Reads the device; called on a control thread, must not stop the data path.</summary>
    /// <param name="visitor">Is told the device first, then every peer.</param>
    void Read(IDeviceVisitor visitor);

    /// <summary>Applies a change as a whole, or not at all.</summary>
    /// <param name="change">The change; the callee does not keep its arrays.</param>
    /// <returns>0, or a negative errno (such as −EADDRINUSE = −98) with nothing changed.</returns>
    int Apply(DeviceChange change);
}

/// <summary>Receives what <see cref="IUapiDevice.Read"/> tells.</summary>
public interface IDeviceVisitor
{
    /// <summary>The device itself; comes first.</summary>
    /// <param name="privateKey">32 bytes, or empty where none is set; valid during the call only.</param>
    /// <param name="listenPort">The UDP port, 0 while none is bound.</param>
    /// <param name="firewallMark">The mark, 0 for none.</param>
    void Device(ReadOnlySpan<byte> privateKey, ushort listenPort, uint firewallMark);

    /// <summary>One peer.</summary>
    /// <param name="state">What is known of it.</param>
    /// <param name="presharedKey">32 bytes, all zero where none is set; valid during the call only.</param>
    /// <param name="allowedIps">Its prefixes.</param>
    void Peer(in PeerState state, ReadOnlySpan<byte> presharedKey, IReadOnlyList<IPNetwork> allowedIps);
}

/// <summary>What <c>get=1</c> tells of one peer.</summary>
/// <param name="PublicKey">Its key.</param>
/// <param name="Endpoint">Where it is, or null while unknown.</param>
/// <param name="PersistentKeepalive">Seconds, 0 for off.</param>
/// <param name="LastHandshake">Unix time of the last completed handshake in nanoseconds, 0 for never.</param>
/// <param name="ReceivedBytes">Outer payload bytes received and authenticated.</param>
/// <param name="SentBytes">Outer payload bytes sent.</param>
public readonly record struct PeerState(
    PublicKey PublicKey,
    IPEndPoint? Endpoint,
    ushort PersistentKeepalive,
    long LastHandshake,
    ulong ReceivedBytes,
    ulong SentBytes);
