namespace TunnelBox.Control;

/// <summary>Why a control operation did not happen, as far as a caller acts on it.</summary>
public enum ControlFailure
{
    /// <summary>It was tried and failed.</summary>
    Failed,

    /// <summary>The request itself is wrong: a file, a name, a value.</summary>
    Wrong,

    /// <summary>No daemon serves the interface.</summary>
    NoDaemon,

    /// <summary>The caller lacks a right.</summary>
    NoPermission,
}

/// <summary>A control operation that did not happen; the message is one sentence for people.</summary>
public sealed class ControlException : Exception
{
    /// <summary>Names a failure.</summary>
    /// <param name="message">One sentence: what is wrong, where, and what to do.</param>
    /// <param name="failure">What kind of failure it is.</param>
    /// <param name="inner">What caused it.</param>
    public ControlException(string message, ControlFailure failure = ControlFailure.Failed, Exception? inner = null)
        : base(message, inner) => Failure = failure;

    /// <summary>Gets the kind of failure.</summary>
    public ControlFailure Failure { get; }
}
