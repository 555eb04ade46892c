namespace TunnelBox.DataPath;

/// <summary>A port could not be opened; the message is one sentence that names the remedy.</summary>
public sealed class PortException : IOException
{
    /// <summary>Initializes a new instance of the <see cref="PortException"/> class.</summary>
    /// <param name="message">The sentence.</param>
    /// <param name="errno">The kernel's error number, positive, or its negative.</param>
    public PortException(string message, int errno)
        : base(message) => Errno = Math.Abs(errno);

    /// <summary>Initializes a new instance of the <see cref="PortException"/> class.</summary>
    public PortException()
    {
    }

    /// <summary>Initializes a new instance of the <see cref="PortException"/> class.</summary>
    /// <param name="message">The sentence.</param>
    public PortException(string message)
        : base(message)
    {
    }

    /// <summary>Initializes a new instance of the <see cref="PortException"/> class.</summary>
    /// <param name="message">The sentence.</param>
    /// <param name="innerException">What happened.</param>
    public PortException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>Gets the kernel's error number, positive, such as EADDRINUSE.</summary>
    public int Errno { get; }
}
