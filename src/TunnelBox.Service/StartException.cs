namespace TunnelBox.Service;

/// <summary>The appliance cannot start. Its message is the one sentence that is shown: what is wrong, where, what to do.</summary>
public sealed class StartException : Exception
{
    /// <summary>Makes one.</summary>
    /// <param name="sentence">The sentence.</param>
    /// <param name="exitCode">The program's exit code, one of <see cref="ExitCodes"/>.</param>
    public StartException(string sentence, int exitCode = ExitCodes.CannotStart)
        : base(sentence) => ExitCode = exitCode;

    /// <summary>Makes one.</summary>
    public StartException()
        : this("The tunnel cannot start.")
    {
    }

    /// <summary>Makes one.</summary>
    /// <param name="message">The sentence.</param>
    public StartException(string message)
        : this(message, ExitCodes.CannotStart)
    {
    }

    /// <summary>Makes one.</summary>
    /// <param name="message">The sentence.</param>
    /// <param name="innerException">The cause.</param>
    public StartException(string message, Exception innerException)
        : base(message, innerException) => ExitCode = ExitCodes.CannotStart;

    /// <summary>Gets the program's exit code.</summary>
    public int ExitCode { get; }
}

/// <summary>What the exit codes of <c>tunnelbox</c> mean. 0 and 1 are those of wireguard-go.</summary>
public static class ExitCodes
{
    /// <summary>Started in the background; or ended as asked: by a signal, by the removal of the interface or of its socket.</summary>
    public const int Done = 0;

    /// <summary>Could not start; nothing is left behind.</summary>
    public const int CannotStart = 1;

    /// <summary>A file, variable or name given by the operator is wrong; nothing was changed.</summary>
    public const int WrongInput = 2;

    /// <summary>A defect: ended by an exception that nobody expected (EX_SOFTWARE of sysexits.h).</summary>
    public const int Defect = 70;
}
