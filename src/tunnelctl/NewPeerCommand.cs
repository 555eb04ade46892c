using System.Net;
using System.Net.Sockets;
using System.Text;
using TunnelBox.Configuration;
using TunnelBox.Control;
using TunnelBox.Control.Quick;

namespace TunnelBox.Tunnelctl;

/// <summary>The verb new-peer.</summary>
internal static class NewPeerCommand
{
    private const string EndpointOption = "--endpoint";

    /// <summary>Runs the verb.</summary>
    /// <param name="arguments">What follows it.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode Run(string[] arguments)
    {
        string? endpointText = null;
        List<string> names = [];
        Queue<string> words = new(arguments);
        while (words.TryDequeue(out string? word))
        {
            if (word == EndpointOption && words.TryDequeue(out string? value))
            {
                endpointText = value;
            }
            else if (word.StartsWith('-'))
            {
                throw UsageException.UnknownOption("new-peer", word);
            }
            else
            {
                names.Add(word);
            }
        }

        if (names.Count is 0 or > 2)
        {
            throw UsageException.Of("new-peer");
        }

        QuickFile found = QuickFile.Find(names.Count == 2 ? names[1] : OnlyTunnel());
        using Progress progress = new($"{found.InterfaceName}: a peer is being added");
        string path = new NewPeer(found, names[0], Endpoint(found, endpointText)).Run(CommandLine.Note);
        DaemonName(found);
        CommandLine.Print($"{path}\n");
        return ExitCode.Done;
    }

    private static string OnlyTunnel()
    {
        List<string> files = [.. QuickFile.Directories.Where(Directory.Exists).SelectMany(directory => Directory.EnumerateFiles(directory, "*.conf"))];
        return files.Count == 1
            ? files[0]
            : throw new UsageException($"There are {files.Count} tunnels in {string.Join(" and ", QuickFile.Directories)}; say which one the peer is for: tunnelctl new-peer NAME INTERFACE.");
    }

    private static HostPort Endpoint(QuickFile found, string? text)
    {
        if (text is not null)
        {
            return WgValues.Endpoint(Encoding.UTF8.GetBytes(text), out HostPort given) is { } fault
                ? throw new UsageException($"{EndpointOption}: {fault}")
                : given;
        }

        ushort port;
        using (WgFile file = found.Load(static _ => { }))
        {
            port = file.Interface.ListenPort ?? 0;
        }

        if (port == 0)
        {
            throw new UsageException($"{found.Path}: there is no ListenPort, so the peer cannot know where to find this tunnel; add one, or give {EndpointOption} HOST:PORT.");
        }

        try
        {
            // Connecting a datagram socket sends nothing: it only asks the routes which address of this machine faces the network.
            using Socket probe = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            probe.Connect(IPAddress.Parse("192.0.2.1"), port);
            string address = ((IPEndPoint)probe.LocalEndPoint!).Address.ToString();
            CommandLine.Note($"The peer will look for this tunnel at {address}:{port}, this machine's own address; give {EndpointOption} HOST:PORT where it is reached under another.");
            return new HostPort(address, port);
        }
        catch (SocketException)
        {
            throw new UsageException($"This machine has no default route, so its address is unknown; give {EndpointOption} HOST:PORT.");
        }
    }

    private static void DaemonName(QuickFile found)
    {
        using WgFile file = found.Load(static _ => { });
        DaemonControl.Annotate(found.InterfaceName, file, new EndpointResolver(CommandLine.Note), replace: false);
    }
}
