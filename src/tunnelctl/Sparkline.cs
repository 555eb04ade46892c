namespace TunnelBox.Tunnelctl;

/// <summary>The last values of something as a row of bars, each as high as its share of the highest.</summary>
internal sealed class Sparkline
{
    /// <summary>Values that a row shows.</summary>
    public const int Width = 12;

    private const string Bars = "▁▂▃▄▅▆▇█";
    private readonly Queue<double> _values = new();

    /// <summary>Adds the newest value; the oldest leaves.</summary>
    /// <param name="value">The value, 0 or more.</param>
    public void Add(double value)
    {
        _values.Enqueue(value);
        if (_values.Count > Width)
        {
            _values.Dequeue();
        }
    }

    /// <summary>Gives the row, blank on the left where there are no values yet.</summary>
    /// <returns><see cref="Width"/> characters.</returns>
    public override string ToString()
    {
        double highest = _values.Count == 0 ? 0 : _values.Max();
        return string.Concat(_values.Select(value => highest <= 0 ? Bars[0] : Bars[(int)Math.Clamp(Math.Ceiling(value / highest * Bars.Length) - 1, 0, Bars.Length - 1)]))
            .PadLeft(Width);
    }
}
