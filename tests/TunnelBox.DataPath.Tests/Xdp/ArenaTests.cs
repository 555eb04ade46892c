using TunnelBox.DataPath.Xdp;

namespace TunnelBox.DataPath.Tests.Xdp;

public sealed unsafe class ArenaTests
{
    [Fact]
    public void Memory_that_is_too_large_for_huge_pages_says_so_and_is_had_in_ordinary_ones()
    {
        using Arena arena = Arena.Map(1 << 18);
        Assert.Equal(
            "Frames lie in ordinary pages, since 512 huge ones are not free: Cannot allocate memory (ENOMEM); the sysctl vm.nr_hugepages sets them aside.",
            arena.PagesReason);
    }

    [Fact]
    public void It_holds_what_lies_in_one_chunk()
    {
        using Arena arena = Arena.Map(4);
        Assert.Equal(0, (nint)arena.Address % Arena.ChunkSize);
        Assert.Equal(0, arena.Address[(4 * Arena.ChunkSize) - 1]);
        Assert.True(arena.Holds(0, Arena.ChunkSize));
        Assert.True(arena.Holds((3 * Arena.ChunkSize) + 1, Arena.ChunkSize - 1));
        Assert.True(arena.Holds((4 * Arena.ChunkSize) - 1, 0));
        Assert.False(arena.Holds((3 * Arena.ChunkSize) + 1, Arena.ChunkSize));
        Assert.False(arena.Holds(4 * Arena.ChunkSize, 0));
        Assert.False(arena.Holds(ulong.MaxValue, 1));
        Assert.False(arena.Holds(0, uint.MaxValue));
    }

    [Fact]
    public void More_than_the_machine_has_is_refused_with_a_sentence()
    {
        PortException refused = Assert.Throws<PortException>(() => Arena.Map(int.MaxValue).Dispose());
        Assert.Contains("MiB for frames cannot be mapped", refused.Message, StringComparison.Ordinal);
    }
}
