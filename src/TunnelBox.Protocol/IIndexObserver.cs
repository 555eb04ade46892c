namespace TunnelBox.Protocol;

/// <summary>Somebody who keeps a copy of an <see cref="IndexTable{T}"/>; called by its one writer.</summary>
/// <typeparam name="T">What an index stands for.</typeparam>
public interface IIndexObserver<in T>
    where T : class
{
    /// <summary>An index has a meaning now.</summary>
    /// <param name="index">The index.</param>
    /// <param name="owner">What it stands for.</param>
    void Added(uint index, T owner);

    /// <summary>An index has no meaning any more; it may get one again before the next <see cref="Flush"/>.</summary>
    /// <param name="index">The index.</param>
    void Removed(uint index);

    /// <summary>The copy must be right now: a message may leave that carries a new index.</summary>
    void Flush();
}
