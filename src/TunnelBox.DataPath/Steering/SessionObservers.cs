using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Steering;

/// <summary>Several keepers of copies of the receiver indices as one: the XDP program's map, and that of the program which chooses sockets.</summary>
/// <param name="all">The keepers.</param>
public sealed class SessionObservers(params IIndexObserver<IndexOwner>[] all) : IIndexObserver<IndexOwner>
{
    /// <inheritdoc/>
    public void Added(uint index, IndexOwner owner)
    {
        foreach (IIndexObserver<IndexOwner> each in all)
        {
            each.Added(index, owner);
        }
    }

    /// <inheritdoc/>
    public void Removed(uint index)
    {
        foreach (IIndexObserver<IndexOwner> each in all)
        {
            each.Removed(index);
        }
    }

    /// <inheritdoc/>
    public void Flush()
    {
        foreach (IIndexObserver<IndexOwner> each in all)
        {
            each.Flush();
        }
    }
}
