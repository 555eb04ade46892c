namespace TunnelBox.Visibility;

/// <summary>
/// Whether this build counts and asks for tracers at all. Every build does; one made with <c>-p:Unobserved=true</c> exists only to measure
/// what counters and idle probes cost (interop/bench/visibility).
/// </summary>
public static class Observation
{
    /// <summary>Gets a value indicating whether counters count and tracers are asked for; the compiler removes what this decides.</summary>
    public static bool On =>
#if UNOBSERVED
        false;
#else
        true;
#endif
}
