using System.Collections.Immutable;

namespace TunnelBox.Crypto.Batch;

/// <summary>Chooses the engine that seals and opens packets, once at start, and makes one instance of it a worker.</summary>
/// <remarks>
/// Choosing runs the known-answer self-test of the candidates. That is also their warm-up: the kernels are compiled
/// before the first packet, which would otherwise wait tens of milliseconds.
/// </remarks>
public sealed class PacketAead
{
    /// <summary>The name that means: the fastest engine that this processor runs and that passes its self-test.</summary>
    public const string Automatic = "auto";

    private static readonly ImmutableArray<Engine> Engines =
    [
        Describe<Vector512Kernels>(), Describe<Vector256Kernels>(), Describe<Vector128Kernels>(), Describe<ScalarKernels>(),
        new("libsodium", IsSupported: true, static () => new SodiumAead()),
    ];

    private readonly Func<IPacketAead> _create;

    private PacketAead(string name, string reason, Func<IPacketAead> create)
    {
        Name = name;
        Reason = reason;
        _create = create;
    }

    /// <summary>Gets the engines' names, widest first.</summary>
    public static ImmutableArray<string> Names { get; } = [.. Engines.Select(e => e.Name)];

    /// <summary>Gets the chosen engine's name, as status output shows it.</summary>
    public string Name { get; }

    /// <summary>Gets one sentence that says why this engine: what was asked for, and what was refused and why.</summary>
    public string Reason { get; }

    /// <summary>Chooses an engine.</summary>
    /// <param name="name">One of <see cref="Names"/>, or <see cref="Automatic"/> (also null or empty) for the widest that works.</param>
    /// <returns>The choice.</returns>
    /// <exception cref="ArgumentException">There is no engine of that name.</exception>
    /// <exception cref="PlatformNotSupportedException">The named engine cannot run here or failed its self-test, or none works.</exception>
    public static PacketAead Select(string? name = null)
    {
        bool automatic = string.IsNullOrEmpty(name) || string.Equals(name, Automatic, StringComparison.Ordinal);
        return automatic ? SelectWidest(Engines) : SelectNamed(name!);
    }

    /// <summary>Makes an engine of the chosen kind. Each worker needs its own; dispose of it with the worker.</summary>
    /// <returns>The engine; it is also <see cref="IDisposable"/>.</returns>
    public IPacketAead Create() => _create();

    /// <summary>Chooses the first engine that works.</summary>
    /// <param name="engines">Candidates, best first.</param>
    /// <returns>The choice.</returns>
    internal static PacketAead SelectWidest(IEnumerable<Engine> engines)
    {
        string refused = "";
        foreach (Engine engine in engines)
        {
            string? fault = Examine(engine);
            if (fault == null)
            {
                return new PacketAead(engine.Name, $"{engine.Name}: the widest engine that works here{refused}.", engine.Create);
            }

            refused += $"; {fault}";
        }

        throw new PlatformNotSupportedException($"No ChaCha20-Poly1305 engine works on this machine{refused}. Packets cannot be sealed.");
    }

    /// <summary>Runs an engine's self-test where the processor allows.</summary>
    /// <param name="engine">The engine.</param>
    /// <returns>Null when it works, otherwise what is wrong.</returns>
    internal static string? Examine(Engine engine)
    {
        if (!engine.IsSupported)
        {
            return $"{engine.Name} needs instructions that this processor lacks or the runtime was told not to use";
        }

        IPacketAead aead = engine.Create();
        try
        {
            string? fault = KnownAnswers.Check(aead);
            return fault == null ? null : $"{engine.Name} failed its self-test ({fault}) and is refused";
        }
        finally
        {
            (aead as IDisposable)?.Dispose();
        }
    }

    private static PacketAead SelectNamed(string name)
    {
        foreach (Engine engine in Engines)
        {
            if (string.Equals(engine.Name, name, StringComparison.Ordinal))
            {
                string? fault = Examine(engine);
                return fault == null
                    ? new PacketAead(name, $"{name}: set by name.", engine.Create)
                    : throw new PlatformNotSupportedException($"{fault}; choose '{Automatic}' or another of {string.Join(", ", Names)}.");
            }
        }

        throw new ArgumentException(
            $"There is no AEAD engine '{name}'; choose '{Automatic}' or one of {string.Join(", ", Names)}.", nameof(name));
    }

    private static Engine Describe<TKernels>()
        where TKernels : struct, IBatchKernels
        => new(TKernels.Name, TKernels.IsSupported, static () => new BatchAead<TKernels>());

    /// <summary>A candidate.</summary>
    /// <param name="Name">Its name.</param>
    /// <param name="IsSupported">Whether the processor can run it.</param>
    /// <param name="Create">Makes one.</param>
    internal sealed record Engine(string Name, bool IsSupported, Func<IPacketAead> Create);
}
