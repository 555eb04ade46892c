using System.Net;
using TunnelBox.Configuration;
using TunnelBox.Crypto;

namespace TunnelBox.Control.Quick;

/// <summary>
/// Adds a peer to a tunnel: fresh keys, the next free address of each of the interface's subnets, a file for the peer, a [Peer] in the
/// tunnel's file, and the running interface. All of it happens or nothing.
/// </summary>
/// <param name="found">The tunnel's file.</param>
/// <param name="name">What people call the peer.</param>
/// <param name="endpoint">Where the peer finds this tunnel.</param>
public sealed class NewPeer(QuickFile found, string name, HostPort endpoint)
{
    private const int MaxName = 64;
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private static readonly TimeSpan LockWait = TimeSpan.FromSeconds(10);

    /// <summary>Gives the path of a peer's own file.</summary>
    /// <param name="found">The tunnel's file.</param>
    /// <param name="name">The peer's name.</param>
    /// <returns>INTERFACE.peers/NAME.conf beside the tunnel's file.</returns>
    public static string PathOf(QuickFile found, string name) => Path.Combine(Folder(found), name + ".conf");

    /// <summary>Gives whether a name can be a peer's and its file's.</summary>
    /// <param name="name">The name.</param>
    /// <returns>True where it can.</returns>
    public static bool IsName(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.Length is > 0 and <= MaxName && name[0] is not ('-' or '.') && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');
    }

    /// <summary>Adds the peer.</summary>
    /// <param name="note">Told warnings.</param>
    /// <returns>The path of the peer's file.</returns>
    /// <exception cref="ControlException">It cannot be added; nothing has changed.</exception>
    public string Run(Action<string> note)
    {
        if (!IsName(name))
        {
            throw new ControlException("A peer's name has 1 to 64 letters, digits or \"_-.\", and begins with none of \"-.\"; choose another.", ControlFailure.Wrong);
        }

        string path = PathOf(found, name);
        try
        {
            Directory.CreateDirectory(Folder(found), OwnerOnly);
            using FileStream turn = Lock();
            using WgFile server = found.Load(note);
            using WgFile client = new();
            Check(server, path);
            PublicKey key = Fill(server, client);
            Commit(path, client, key);
            return path;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ControlException(
                $"{name}: the files cannot be written: {e.Message.TrimEnd('.')}; nothing was changed.",
                e is UnauthorizedAccessException ? ControlFailure.NoPermission : ControlFailure.Failed,
                e);
        }
    }

    private static string Folder(QuickFile found) => Path.Combine(
        Path.GetDirectoryName(Path.GetFullPath(found.Path)) ?? "/", found.InterfaceName + ".peers");

    // Two at once would give one address to two peers.
    private FileStream Lock()
    {
        long start = Environment.TickCount64;
        while (true)
        {
            try
            {
                return new FileStream(Path.Combine(Folder(found), ".lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (Environment.TickCount64 - start < LockWait.TotalMilliseconds)
            {
                Thread.Sleep(50);
            }
        }
    }

    private void Check(WgFile server, string path)
    {
        if (server.Interface.PrivateKey is null)
        {
            throw new ControlException($"{found.Path}: [Interface] has no PrivateKey; add one, as \"tunnelctl genkey\" prints it.", ControlFailure.Wrong);
        }

        if (server.Interface.Addresses.Count == 0)
        {
            throw new ControlException($"{found.Path}: [Interface] has no Address to take the peer's from; add one such as 10.0.0.1/24.", ControlFailure.Wrong);
        }

        if (server.Peers.Exists(peer => peer.Name == name) || File.Exists(path))
        {
            throw new ControlException($"{found.InterfaceName}: there already is a peer called {name}; choose another name.", ControlFailure.Wrong);
        }
    }

    private PublicKey Fill(WgFile server, WgFile client)
    {
        List<IPNetwork> used = [.. server.Peers.SelectMany(peer => peer.AllowedIps).Select(entry => entry.Network),
            .. server.Interface.Addresses.Select(address => new IPNetwork(address.Address, Bits(address.Address)))];
        WgPeer tunnel = new()
        {
            PublicKey = Curve25519.GetPublicKey(server.Interface.PrivateKey),
            PresharedKey = GC.AllocateArray<byte>(KeyText.KeySize, pinned: true),
            Endpoint = endpoint,
            PersistentKeepalive = 25,
        };
        client.Peers.Add(tunnel);
        foreach (IPNetwork subnet in server.Interface.Addresses.Select(Subnet).Where(subnet => subnet.PrefixLength < Bits(subnet.BaseAddress)).Distinct())
        {
            IPAddress address = FreeAddress.In(subnet, used)
                ?? throw new ControlException($"{found.Path}: no address of {subnet} is free; remove a peer, or widen the network.");
            client.Interface.Addresses.Add(new InterfaceAddress(address, Bits(address)));
            used.Add(new IPNetwork(address, Bits(address)));
            tunnel.AllowedIps.Add(new AllowedIpEntry(subnet, AllowedIpSign.None));
        }

        if (client.Interface.Addresses.Count == 0)
        {
            throw new ControlException($"{found.Path}: each Address is a network of one; give one a length such as /24.", ControlFailure.Wrong);
        }

        client.Interface.PrivateKey = GC.AllocateArray<byte>(KeyText.KeySize, pinned: true);
        SodiumRandom random = new();
        Curve25519.GeneratePrivateKey(random, client.Interface.PrivateKey);
        random.Fill(tunnel.PresharedKey);
        return Curve25519.GetPublicKey(client.Interface.PrivateKey);
    }

    private void Commit(string path, WgFile client, PublicKey key)
    {
        UapiClient? running = UapiClient.Interfaces().Contains(found.InterfaceName) ? new UapiClient(found.InterfaceName) : null;
        PrivateFile.Write(path, overwrite: false, stream => WgFileWriter.Write(client, stream, quick: true));
        bool applied = false;
        try
        {
            PeerChange added = new(key) { PresharedKey = client.Peers[0].PresharedKey, ReplaceAllowedIps = true };
            added.AllowedIps.AddRange(client.Interface.Addresses.Select(address => new AllowedIpChange(Subnet(address), Remove: false)));
            running?.Set(Change(added));
            applied = running is not null;
            PrivateFile.Write(found.Path, overwrite: true, stream => Append(stream, client, key));
        }
        catch
        {
            File.Delete(path);
            if (applied)
            {
                running!.Set(Change(new PeerChange(key) { Remove = true }));
            }

            throw;
        }
    }

    private void Append(Stream stream, WgFile client, PublicKey key)
    {
        // Every byte of the old file stays as it was.
        using SecretFile before = SecretFile.Read(found.Path);
        using SecretWriter text = new(stream);
        Span<byte> bytes = stackalloc byte[PublicKey.Size];
        key.CopyTo(bytes);
        text.Text(before.Bytes).Text(before.Bytes.EndsWith("\n"u8) ? "\n"u8 : "\n\n"u8)
            .Text($"[Peer]\n# {name}\nPublicKey = ").Base64(bytes)
            .Text("\nPresharedKey = "u8).Base64(client.Peers[0].PresharedKey)
            .Text($"\nAllowedIPs = {string.Join(", ", client.Interface.Addresses.Select(Subnet))}\n").Send();
    }

    private static DeviceChange Change(PeerChange peer)
    {
        DeviceChange change = new();
        change.Peers.Add(peer);
        return change;
    }

    private static int Bits(IPAddress address) => address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork ? 32 : 128;

    private static IPNetwork Subnet(InterfaceAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.Address.TryWriteBytes(bytes, out int length);
        for (int bit = address.PrefixLength; bit < 8 * length; bit++)
        {
            bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        }

        return new IPNetwork(new IPAddress(bytes[..length]), address.PrefixLength);
    }
}
