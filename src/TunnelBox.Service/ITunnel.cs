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

    /// <summary>Gets the process that goes on with the tunnel in this one's place, or null.</summary>
    int? HandedOverTo => null;

    /// <summary>Looks whether every thread that must move does: each is woken and has to have passed.</summary>
    /// <param name="patience">How long to wait for them.</param>
    /// <returns>Null, or which of them stands, without a full stop.</returns>
    string? FindStuck(TimeSpan patience) => null;

    /// <summary>Looks whether traffic for the tunnel arrives: the interface is up and a required peer was heard.</summary>
    /// <returns>Null, or what is wrong, without a full stop.</returns>
    string? FindUnready() => null;
}
