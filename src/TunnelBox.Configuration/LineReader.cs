using System.Security.Cryptography;

namespace TunnelBox.Configuration;

/// <summary>What <see cref="LineReader.Next"/> found.</summary>
public enum LineKind
{
    /// <summary>A line, perhaps an empty one.</summary>
    Line,

    /// <summary>A line longer than the limit; it has been passed over.</summary>
    TooLong,

    /// <summary>The stream ended; a last line without its end is not given.</summary>
    End,
}

/// <summary>
/// Cuts a stream into lines in one pinned buffer that is wiped line by line, since any line may hold a key. A line of any
/// length costs no more memory than the limit.
/// </summary>
public sealed class LineReader : IDisposable
{
    private readonly Stream _stream;
    private readonly byte[] _buffer;
    private readonly int _limit;
    private int _start;
    private int _end;
    private int _given;

    /// <summary>Starts reading.</summary>
    /// <param name="stream">The source; stays open.</param>
    /// <param name="limit">Longest line in bytes.</param>
    public LineReader(Stream stream, int limit)
    {
        _stream = stream;
        _limit = limit;
        _buffer = GC.AllocateArray<byte>(Math.Max(64 * 1024, limit + 2), pinned: true);
    }

    /// <summary>Gives the next line and wipes the last one.</summary>
    /// <param name="line">The line without its "\n" or "\r\n"; valid until the next call.</param>
    /// <param name="stripReturn">Whether a closing "\r" belongs to the line's end.</param>
    /// <returns>What was found.</returns>
    public LineKind Next(out ReadOnlySpan<byte> line, bool stripReturn = true)
    {
        WipeGiven();
        bool tooLong = false;
        int searched = 0;
        while (true)
        {
            int length = _buffer.AsSpan(_start + searched, _end - _start - searched).IndexOf((byte)'\n');
            if (length >= 0)
            {
                length += searched;
                _given = length + 1;
                line = _buffer.AsSpan(_start, length);
                if (stripReturn && length > 0 && line[^1] == (byte)'\r')
                {
                    line = line[..^1];
                }

                if (!tooLong && line.Length <= _limit)
                {
                    return LineKind.Line;
                }

                line = default;
                return LineKind.TooLong;
            }

            searched = _end - _start;
            if (searched > _limit + 1)
            {
                // The rest of this line is of no use: forget what is there and look on for its end.
                tooLong = true;
                _given = searched;
                WipeGiven();
                searched = 0;
            }

            if (!Fill())
            {
                line = default;
                return LineKind.End;
            }
        }
    }

    /// <summary>Wipes everything read.</summary>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_buffer);
        _start = _end = _given = 0;
    }

    private void WipeGiven()
    {
        CryptographicOperations.ZeroMemory(_buffer.AsSpan(_start, _given));
        _start += _given;
        _given = 0;
        if (_start == _end)
        {
            _start = _end = 0;
        }
    }

    private bool Fill()
    {
        if (_end == _buffer.Length)
        {
            int rest = _end - _start;
            _buffer.AsSpan(_start, rest).CopyTo(_buffer);
            CryptographicOperations.ZeroMemory(_buffer.AsSpan(rest));
            (_start, _end) = (0, rest);
        }

        int got = _stream.Read(_buffer, _end, _buffer.Length - _end);
        _end += got;
        return got > 0;
    }
}
