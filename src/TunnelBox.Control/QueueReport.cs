namespace TunnelBox.Control;

/// <summary>
/// One queue of a device under AF_XDP: where its frames are, which together are all of them, and what the kernel counted at its
/// socket since it was bound.
/// </summary>
public sealed record QueueReport
{
    /// <summary>Gets the device's queue.</summary>
    public required int Queue { get; init; }

    /// <summary>Gets how frames get here: zerocopy, copy or generic.</summary>
    public required string Mode { get; init; }

    /// <summary>Gets why they get here no better way; null where it is the best, zerocopy.</summary>
    public string? ModeReason { get; init; }

    /// <summary>Gets the worker that serves it.</summary>
    public required int Worker { get; init; }

    /// <summary>Gets all its frames.</summary>
    public required int Frames { get; init; }

    /// <summary>Gets the frames that are free.</summary>
    public required int Free { get; init; }

    /// <summary>Gets the frames that the worker holds.</summary>
    public required int Held { get; init; }

    /// <summary>Gets the frames that are offered for receiving.</summary>
    public required int Fill { get; init; }

    /// <summary>Gets the frames that were received and wait for the worker.</summary>
    public required int Received { get; init; }

    /// <summary>Gets the frames that wait to be transmitted.</summary>
    public required int Transmit { get; init; }

    /// <summary>Gets the frames that were transmitted and not yet taken back.</summary>
    public required int Completed { get; init; }

    /// <summary>Gets the frames that the kernel or the card is working on.</summary>
    public required int Away { get; init; }

    /// <summary>Gets the frames dropped for other reasons than those below.</summary>
    public required long RxDropped { get; init; }

    /// <summary>Gets the invalid entries of the fill ring.</summary>
    public required long RxInvalid { get; init; }

    /// <summary>Gets the frames dropped since the RX ring was full.</summary>
    public required long RxRingFull { get; init; }

    /// <summary>Gets how often the fill ring was found empty.</summary>
    public required long FillRingEmpty { get; init; }

    /// <summary>Gets the invalid entries of the TX ring.</summary>
    public required long TxInvalid { get; init; }

    /// <summary>Gets how often the TX ring was found empty, which is no fault.</summary>
    public required long TxRingEmpty { get; init; }
}
