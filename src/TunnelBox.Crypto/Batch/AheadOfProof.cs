namespace TunnelBox.Crypto.Batch;

/// <summary>Which blocks of a small burst have key stream waiting before their packets have proved genuine.</summary>
internal unsafe struct AheadOfProof
{
    private fixed byte _before[BatchScratch.SubBatch];
    private fixed byte _blocks[BatchScratch.SubBatch];
    private uint _tails;
    private uint _known;

    /// <summary>Gets the rows in use.</summary>
    public int Total { get; private set; }

    /// <summary>Forgets all; the rows in use still count for wiping.</summary>
    public void Reset()
    {
        _tails = 0;
        _known = 0;
    }

    /// <summary>Notes what a packet has.</summary>
    /// <param name="index">The packet; ascending.</param>
    /// <param name="blocks">Whole blocks, in rows that follow those of the packets before it.</param>
    /// <param name="tail">Whether its last, broken block is there too.</param>
    public void Set(int index, int blocks, bool tail)
    {
        _before[index] = (byte)(index == 0 ? 0 : _before[index - 1] + _blocks[index - 1]);
        _blocks[index] = (byte)blocks;
        _known |= 1u << index;
        _tails |= (tail ? 1u : 0) << index;
        Total = Math.Max(Total, _before[index] + blocks);
    }

    /// <summary>Gives the rows before a packet's.</summary>
    /// <param name="index">The packet.</param>
    /// <returns>Rows.</returns>
    public readonly int Before(int index) => _before[index];

    /// <summary>Gives a packet's whole blocks.</summary>
    /// <param name="index">The packet.</param>
    /// <returns>Blocks.</returns>
    public readonly int Blocks(int index) => (_known >> index & 1) != 0 ? _blocks[index] : 0;

    /// <summary>Tells whether a packet's broken block is there.</summary>
    /// <param name="index">The packet.</param>
    /// <returns>Whether it is.</returns>
    public readonly bool HasTail(int index) => (_tails >> index & 1) != 0;

    /// <summary>Forgets the rows in use, after they have been wiped.</summary>
    public void Wiped() => Total = 0;
}
