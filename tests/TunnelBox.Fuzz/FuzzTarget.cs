namespace TunnelBox.Fuzz;

/// <summary>One class of input: how inputs are made, what is done with each, and what must hold afterwards.</summary>
internal abstract class FuzzTarget : IDisposable
{
    private readonly InputMutator _mutator = new();

    /// <summary>Gets what the target is called on the command line.</summary>
    public abstract string Name { get; }

    /// <summary>Gets inputs that lie outside of the corpus, such as right texts.</summary>
    public virtual IReadOnlyList<byte[]> Seeds => [];

    /// <summary>
    /// Makes the next input. Here inputs are scripts: bytes that <see cref="Draw"/> turns into choices, so that any change of them
    /// is a change of structure.
    /// </summary>
    /// <param name="random">The run's random numbers.</param>
    /// <param name="pool">Inputs that did something new, and the corpus.</param>
    /// <returns>The input.</returns>
    public virtual byte[] Make(Random random, IReadOnlyList<byte[]> pool)
    {
        if (pool.Count == 0 || random.Next(3) == 0)
        {
            byte[] fresh = new byte[random.Next(4, 128)];
            random.NextBytes(fresh);
            return fresh;
        }

        return _mutator.Next(random, pool);
    }

    /// <summary>Does with an input what the product does, and looks whether all that must hold does.</summary>
    /// <param name="input">The input.</param>
    /// <returns>What came of it, as a small number: an input with a new one is kept for making others.</returns>
    /// <exception cref="FuzzFind">Something does not hold. Any other exception is a find, too.</exception>
    public abstract int Run(byte[] input);

    /// <inheritdoc/>
    public virtual void Dispose() => GC.SuppressFinalize(this);
}
