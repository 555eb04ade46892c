namespace TunnelBox.Crypto.Batch;

/// <summary>
/// The straight-line parts of the engine for one vector width. <see cref="BatchAead{TKernels}"/> is compiled once for each
/// implementation, so that every call below is direct.
/// </summary>
internal unsafe interface IBatchKernels
{
    /// <summary>Gets the engine's name.</summary>
    static abstract string Name { get; }

    /// <summary>Gets a value indicating whether this processor can run the kernels.</summary>
    static abstract bool IsSupported { get; }

    /// <summary>Gets the blocks of one <see cref="Blocks"/> pass.</summary>
    static abstract int BlockLanes { get; }

    /// <summary>Gets the blocks of one <see cref="FewBlocks2"/> pass.</summary>
    static abstract int FewLanes { get; }

    /// <summary>Gets the packets of one Poly1305 pass.</summary>
    static abstract int PolyLanes { get; }

    /// <summary>Gets the bytes of one vector.</summary>
    static abstract int VectorBytes { get; }

    /// <summary>Gets the blocks from which a lone packet goes through the Wide kernels.</summary>
    static abstract int WideFrom { get; }

    /// <summary>Estimates the time of Poly1305 for a group; the unit is that of <see cref="LoneCost"/>.</summary>
    /// <param name="rows">Rows of the longest packet.</param>
    /// <returns>The estimate.</returns>
    static abstract int ColumnCost(int rows);

    /// <summary>Estimates the time of Poly1305 for one packet alone.</summary>
    /// <param name="blocks">Its blocks.</param>
    /// <returns>The estimate.</returns>
    static abstract int LoneCost(int blocks);

    /// <summary>Turns one key a lane into eight columns.</summary>
    /// <param name="keys">Addresses of <see cref="BlockLanes"/> keys of 32 bytes.</param>
    /// <param name="columns">Eight vectors to write.</param>
    static abstract void KeyColumns(nint* keys, byte* columns);

    /// <summary>Spreads one key over all lanes.</summary>
    /// <param name="key">Address of 32 bytes.</param>
    /// <param name="columns">Eight vectors to write.</param>
    static abstract void KeyColumn(nint key, byte* columns);

    /// <summary>Computes one ChaCha20 block a lane: destination = source ^ block.</summary>
    /// <param name="columns">Eight key columns and the column of nonce prefixes.</param>
    /// <param name="words">First lane in <see cref="LaneBuffer.Words"/>.</param>
    /// <param name="rows">First lane in <see cref="LaneBuffer.Rows"/>.</param>
    static abstract void Blocks(byte* columns, uint* words, nint* rows);

    /// <summary>Computes the first half of one block a lane: the Poly1305 keys.</summary>
    /// <param name="columns">As for <see cref="Blocks"/>.</param>
    /// <param name="words">First lane.</param>
    /// <param name="rows">Rows of 64 bytes, of which the first 32 are written.</param>
    static abstract void KeyBlocks(byte* columns, uint* words, byte* rows);

    /// <summary>Computes half of <see cref="FewLanes"/> blocks as <see cref="Blocks"/> does, in less time.</summary>
    /// <param name="keys">Key addresses of the lanes.</param>
    /// <param name="columns">As for <see cref="Blocks"/>, but only the column of prefixes is read.</param>
    /// <param name="words">First lane.</param>
    /// <param name="rows">First lane.</param>
    static abstract void FewBlocks1(nint* keys, byte* columns, uint* words, nint* rows);

    /// <summary>Computes <see cref="FewLanes"/> blocks as <see cref="FewBlocks1"/> does.</summary>
    /// <param name="keys">Key addresses of the lanes.</param>
    /// <param name="columns">As for <see cref="FewBlocks1"/>.</param>
    /// <param name="words">First lane.</param>
    /// <param name="rows">First lane.</param>
    static abstract void FewBlocks2(nint* keys, byte* columns, uint* words, nint* rows);

    /// <summary>Begins Poly1305 for <see cref="PolyLanes"/> packets.</summary>
    /// <param name="state"><see cref="PolySlots.Count"/> vectors.</param>
    /// <param name="keyRows">Rows of 64 bytes that begin with r and s.</param>
    static abstract void PolyInit(byte* state, byte* keyRows);

    /// <summary>Computes r².</summary>
    /// <param name="state">The group.</param>
    static abstract void PolySquare(byte* state);

    /// <summary>Computes r³ and r⁴; r² must be there.</summary>
    /// <param name="state">The group.</param>
    static abstract void PolyFourth(byte* state);

    /// <summary>Takes one row of 64 bytes a lane in which the first blocks may be absent.</summary>
    /// <param name="state">The group.</param>
    /// <param name="rows">Row addresses.</param>
    /// <param name="first">First present block of each lane, 0 to 4; absent blocks must be zero.</param>
    /// <param name="block">The least of <paramref name="first"/>.</param>
    static abstract void PolyHead(byte* state, nint* rows, long* first, int block);

    /// <summary>Takes successive rows, reducing after each block.</summary>
    /// <param name="state">The group.</param>
    /// <param name="rows">Address of each lane's first row.</param>
    /// <param name="count">Rows.</param>
    static abstract void PolyRows1(byte* state, nint* rows, nint count);

    /// <summary>As <see cref="PolyRows1"/>, reducing after two blocks; r² must be there.</summary>
    /// <param name="state">The group.</param>
    /// <param name="rows">Address of each lane's first row.</param>
    /// <param name="count">Rows.</param>
    static abstract void PolyRows2(byte* state, nint* rows, nint count);

    /// <summary>As <see cref="PolyRows1"/>, reducing after four blocks; r² to r⁴ must be there.</summary>
    /// <param name="state">The group.</param>
    /// <param name="rows">Address of each lane's first row.</param>
    /// <param name="count">Rows.</param>
    static abstract void PolyRows4(byte* state, nint* rows, nint count);

    /// <summary>Ends Poly1305.</summary>
    /// <param name="state">The group.</param>
    /// <param name="lengths">Bytes of associated data of each lane, then bytes of ciphertext of each lane.</param>
    /// <param name="tags">Two vectors: lane l's tag stands in vector <c>l &amp; 1</c> at byte <c>16 (l / 2)</c>.</param>
    static abstract void PolyFinal(byte* state, ulong* lengths, byte* tags);

    /// <summary>Computes the powers that a lone packet needs.</summary>
    /// <param name="state"><see cref="PolySlots.Count"/> vectors.</param>
    /// <param name="low">Low half of r, clamped.</param>
    /// <param name="high">High half.</param>
    static abstract void WideInit(byte* state, ulong low, ulong high);

    /// <summary>Takes a lone packet's first group: <see cref="PolyLanes"/> blocks of which the first may be absent.</summary>
    /// <param name="state">The powers.</param>
    /// <param name="message">The blocks; absent ones are zero.</param>
    /// <param name="absent">Absent blocks.</param>
    static abstract void WideHead(byte* state, byte* message, long absent);

    /// <summary>Takes one more group.</summary>
    /// <param name="state">The powers.</param>
    /// <param name="message">The blocks.</param>
    static abstract void WideStep(byte* state, byte* message);

    /// <summary>Takes pairs of groups.</summary>
    /// <param name="state">The powers.</param>
    /// <param name="message">The blocks.</param>
    /// <param name="count">Pairs.</param>
    static abstract void WidePairs(byte* state, byte* message, nint count);

    /// <summary>Joins the lanes.</summary>
    /// <param name="state">The powers.</param>
    /// <param name="limbs">Five limbs of 26 bits with carries, for <see cref="ScalarPoly"/>.</param>
    static abstract void WideJoin(byte* state, ulong* limbs);

    /// <summary>destination = source ^ keyStream for fewer than 64 bytes, touching no byte beyond.</summary>
    /// <param name="destination">Bytes to write.</param>
    /// <param name="source">Bytes to read; may equal the destination.</param>
    /// <param name="keyStream">64 readable bytes.</param>
    /// <param name="count">0 to 64.</param>
    static abstract void Mix(byte* destination, byte* source, byte* keyStream, int count);

    /// <summary>Fills a row of 64 bytes with zeros but for some bytes of a packet.</summary>
    /// <param name="row">The row.</param>
    /// <param name="source">Where the row's byte 0 would stand in the packet; only the given range is read.</param>
    /// <param name="from">First byte of the row to take.</param>
    /// <param name="to">Byte after the last.</param>
    static abstract void Stage(byte* row, byte* source, int from, int to);
}
