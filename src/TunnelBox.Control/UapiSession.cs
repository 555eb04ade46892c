using TunnelBox.Configuration;

namespace TunnelBox.Control;

/// <summary>One connection to a UAPI socket: reads requests and answers them until the client closes or speaks nonsense.</summary>
/// <param name="device">What is served.</param>
/// <param name="setLock">Held while a change is applied.</param>
/// <param name="refused">Told the errno and a sentence for each refused request.</param>
public sealed class UapiSession(IUapiDevice device, Lock setLock, Action<int, string> refused)
{
    /// <summary>Serves a client to the end of its stream.</summary>
    /// <param name="stream">Reads requests, takes answers.</param>
    public void Run(Stream stream)
    {
        using LineReader reader = new(stream, UapiRequest.MaxLine);
        while (reader.Next(out ReadOnlySpan<byte> operation, stripReturn: false) == LineKind.Line)
        {
            bool known = operation.SequenceEqual("set=1"u8) ? Set(reader, stream)
                : operation.SequenceEqual("get=1"u8) && Get(reader, stream);
            if (!known)
            {
                return;
            }
        }
    }

    private bool Set(LineReader reader, Stream stream)
    {
        UapiRequest request = new();
        try
        {
            bool more = ReadLines(reader, request);
            int error = request.Error;
            if (error != Errno.None)
            {
                refused(error, $"A control request was refused at its line {request.ErrorLine} (errno {-error}); nothing was changed.");
            }
            else
            {
                lock (setLock)
                {
                    error = device.Apply(request.Change);
                }

                if (error != Errno.None)
                {
                    refused(error, $"A control request could not be applied (errno {-error}); nothing was changed.");
                }
            }

            using UapiReply reply = new(stream);
            reply.End(error);
            return more;
        }
        finally
        {
            request.Change.Wipe();
        }
    }

    private bool Get(LineReader reader, Stream stream)
    {
        LineKind kind = reader.Next(out ReadOnlySpan<byte> line);
        bool blank = kind == LineKind.Line && line.IsEmpty;
        while (kind != LineKind.End && !(kind == LineKind.Line && line.IsEmpty))
        {
            kind = reader.Next(out line);
        }

        using UapiReply reply = new(stream);
        if (blank)
        {
            device.Read(reply);
        }
        else if (kind != LineKind.End)
        {
            refused(Errno.Invalid, "A control request to read the device had lines after get=1; it was refused.");
        }

        reply.End(blank ? Errno.None : Errno.Invalid);
        return kind != LineKind.End;
    }

    /// <summary>Reads up to the blank line; false where the stream ended before it.</summary>
    private static bool ReadLines(LineReader reader, UapiRequest request)
    {
        while (true)
        {
            switch (reader.Next(out ReadOnlySpan<byte> line))
            {
                case LineKind.TooLong:
                    request.Fail(Errno.InputOutput);
                    break;
                case LineKind.End:
                    // Half a request must not be applied, however well its first half reads.
                    request.Fail(Errno.Protocol);
                    return false;
                default:
                    if (line.IsEmpty)
                    {
                        return true;
                    }

                    request.Line(line);
                    break;
            }
        }
    }
}
