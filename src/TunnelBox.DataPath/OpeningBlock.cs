namespace TunnelBox.DataPath;

/// <summary>A burst of datagrams on its way through opening: its owner receives and delivers it, whoever has time opens it.</summary>
internal sealed class OpeningBlock
{
    private int _opened;

    /// <summary>Gets the datagrams.</summary>
    public Burst Burst { get; } = new();

    /// <summary>Gets what is to be opened of them.</summary>
    public OpeningJobs Jobs { get; } = new();

    /// <summary>Gets a value indicating whether everything was opened; what the opener wrote is seen then.</summary>
    public bool IsOpened => Volatile.Read(ref _opened) != 0;

    /// <summary>Says that everything was opened; by whoever took the block.</summary>
    public void Finish() => Volatile.Write(ref _opened, 1);

    /// <summary>Makes the block empty; by its owner.</summary>
    public void Clear()
    {
        Burst.Clear();
        Jobs.Count = 0;
        _opened = 0;
    }
}
