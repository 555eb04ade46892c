namespace TunnelBox.Tunnelctl;

/// <summary>How tunnelctl ends.</summary>
internal enum ExitCode
{
    /// <summary>Done.</summary>
    Done = 0,

    /// <summary>It was tried and failed.</summary>
    Failed = 1,

    /// <summary>Wrong usage, or a wrong file.</summary>
    Wrong = 2,

    /// <summary>No daemon serves the interface.</summary>
    NoDaemon = 3,

    /// <summary>The caller lacks a right.</summary>
    NoPermission = 4,
}
