namespace TunnelBox.Fuzz;

/// <summary>An input for which an oracle does not hold.</summary>
/// <param name="message">What should hold, and what was found.</param>
internal sealed class FuzzFind(string message) : Exception(message)
{
    /// <summary>Demands something of what an input did.</summary>
    /// <param name="holds">Whether it is so.</param>
    /// <param name="message">What should be.</param>
    public static void Unless(bool holds, string message)
    {
        if (!holds)
        {
            throw new FuzzFind(message);
        }
    }
}
