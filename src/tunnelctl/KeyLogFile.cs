using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using TunnelBox.Control;
using TunnelBox.Linux.Libc;

namespace TunnelBox.Tunnelctl;

/// <summary>The file with the keys of a capture, in the format of Wireshark's WireGuard key log: it opens every captured session.</summary>
internal sealed class KeyLogFile : IDisposable
{
    // Sessions older than REJECT_AFTER_TIME carry nothing any more; their peers shake hands anew by themselves.
    private const int SessionSeconds = 180;

    private readonly FileStream _file;
    private readonly string _path;
    private Thread? _thread;
    private volatile bool _failed;

    private KeyLogFile(FileStream file, string path)
    {
        _file = file;
        _path = path;
    }

    /// <summary>Makes the file, and warns.</summary>
    /// <param name="path">Where; a file that is there is emptied.</param>
    /// <returns>The file.</returns>
    public static KeyLogFile Create(string path)
    {
        CommandLine.Note($"Warning: {path} will hold this tunnel's private key and the keys of its sessions: whoever has it can read what was captured and pose as this end; delete it after use.");
        return new KeyLogFile(PrivateStream.Create(path), path);
    }

    /// <summary>Begins to copy what the daemon gives.</summary>
    /// <param name="session">The trace, whose last descriptor is the pipe.</param>
    public void Begin(TraceSession session)
    {
        if (session.Others.Count == 0)
        {
            throw new ControlException($"{session.Interface}: the daemon gives no keys; use the tunnelctl of the daemon's version.");
        }

        FileDescriptor pipe = session.Others[0];
        _thread = new Thread(() => Copy(pipe)) { IsBackground = true, Name = "keylog" };
        _thread.Start();
    }

    /// <summary>Has every session that runs begin anew, so that its keys are in the file.</summary>
    /// <param name="client">The daemon.</param>
    /// <param name="peers">Whose.</param>
    public static void ForceHandshakes(ControlClient client, IReadOnlyList<PeerReport> peers)
    {
        DateTimeOffset since = DateTimeOffset.UtcNow.AddSeconds(-SessionSeconds);
        Parallel.ForEach(peers.Where(peer => peer.LatestHandshake > since), new ParallelOptions { MaxDegreeOfParallelism = 4 }, peer =>
        {
            // One handshake in 5 s is allowed, and one may just have been.
            ControlException? refused = null;
            for (int attempt = 0; attempt < 7; attempt++)
            {
                try
                {
                    _ = client.Ask(
                        new HandshakeRequest { Verb = HandshakeRequest.VerbName, PublicKey = peer.PublicKey },
                        StatusJson.Default.HandshakeRequest,
                        StatusJson.Default.HandshakeAnswer);
                    return;
                }
                catch (ControlException e)
                {
                    refused = e;
                    Thread.Sleep(1000);
                }
            }

            CommandLine.Note($"{refused?.Message} Packets of peer {peer.Name ?? peer.PublicKey} stay encrypted in the file until its next handshake.");
        });
    }

    /// <summary>Waits for the rest, which comes until the trace has ended, and closes the file.</summary>
    public void Dispose()
    {
        _thread?.Join(TimeSpan.FromSeconds(2));
        _file.Dispose();
        if (_failed)
        {
            CommandLine.Note($"{_path}: the key log could not be written to its end; some of the capture stays encrypted.");
        }
    }

    private void Copy(FileDescriptor descriptor)
    {
        using (descriptor)
        {
            byte[] buffer = GC.AllocateArray<byte>(4096, pinned: true);
            try
            {
                using SafeFileHandle handle = new(descriptor.Value, ownsHandle: false);
                using FileStream pipe = new(handle, FileAccess.Read, bufferSize: 0);
                int length;
                while ((length = pipe.Read(buffer)) > 0)
                {
                    _file.Write(buffer, 0, length);
                    CryptographicOperations.ZeroMemory(buffer.AsSpan(0, length));
                }
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                _failed = true;
            }
            finally
            {
                CryptographicOperations.ZeroMemory(buffer);
            }
        }
    }
}
