using TunnelBox.Control;

namespace TunnelBox.Service;

/// <summary>What the life of a daemon needs to know of the tunnel it runs: a device that starts, and that may end by itself.</summary>
public interface ITunnel : IUapiDevice, IDisposable
{
    /// <summary>Gets the interface's name as the kernel gave it.</summary>
    string InterfaceName { get; }

    /// <summary>Gets a task that completes, with the reason in one sentence, when the interface is gone (deleted, not moved).</summary>
    Task<string> Ended { get; }

    /// <summary>Begins to carry traffic. Until then nothing is read and nothing sent.</summary>
    void Start();

    /// <summary>Adds the verbs of the control socket that this tunnel answers; called once, before <see cref="Start"/>.</summary>
    /// <param name="verbs">Where to.</param>
    void AddVerbs(ControlVerbs verbs);
}
