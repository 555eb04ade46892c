using System.Net.Sockets;
using System.Text;

namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>The cross-platform configuration protocol, spoken raw so that it can be spoken wrongly.</summary>
internal sealed class Uapi : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    public Uapi(string path)
    {
        _socket.Connect(new UnixDomainSocketEndPoint(path));
        _socket.ReceiveTimeout = 10_000;
        _socket.SendTimeout = 10_000;
    }

    /// <summary>One request on a connection of its own.</summary>
    /// <returns>The whole answer; empty when the daemon hung up instead.</returns>
    public static string Ask(string path, string request)
    {
        using var connection = new Uapi(path);
        return connection.Ask(request);
    }

    /// <summary>The number of the answer's last line.</summary>
    public static int Errno(string answer)
    {
        string last = answer.TrimEnd('\n').Split('\n')[^1];
        Assert.StartsWith("errno=", last);
        return int.Parse(last["errno=".Length..]);
    }

    /// <summary>One request; the connection stays open for more.</summary>
    public string Ask(string request)
    {
        Send(request);
        return Receive();
    }

    /// <summary>Sends text as it is.</summary>
    public void Send(string text)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(text);
        for (int sent = 0; sent < bytes.Length;)
        {
            sent += _socket.Send(bytes.AsSpan(sent));
        }
    }

    /// <summary>Reads up to the empty line that ends an answer, or the end of the connection.</summary>
    public string Receive()
    {
        var text = new StringBuilder();
        byte[] block = new byte[4096];
        while (text.Length < 2 || text[^1] != '\n' || text[^2] != '\n')
        {
            int count = _socket.Receive(block);
            if (count == 0)
            {
                break;
            }

            text.Append(Encoding.ASCII.GetString(block, 0, count));
        }

        return text.ToString();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _socket.Dispose();
    }
}
