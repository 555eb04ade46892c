namespace TunnelBox.Visibility.Tests;

public sealed class DropReasonsTests
{
    /// <summary>The names of Linux, net/xfrm/xfrm_proc.c, as far as a tunnel without policies can have them.</summary>
    private static readonly string[] s_kernelNames =
    [
        "XfrmInError", "XfrmInBufferError", "XfrmInHdrError", "XfrmInNoStates", "XfrmInStateProtoError", "XfrmInStateModeError",
        "XfrmInStateSeqError", "XfrmInStateExpired", "XfrmInStateMismatch", "XfrmInStateInvalid", "XfrmInTmplMismatch",
        "XfrmOutError", "XfrmOutNoStates", "XfrmOutStateProtoError", "XfrmOutStateModeError", "XfrmOutStateSeqError",
        "XfrmOutStateExpired", "XfrmOutStateInvalid", "XfrmOutNoQueueSpace",
    ];

    private static IEnumerable<DropReason> Reasons => Enum.GetValues<DropReason>().Where(r => r != DropReason.None);

    [Fact]
    public void Every_reason_is_described()
    {
        foreach (DropReason reason in Reasons)
        {
            DropReasonDescription description = DropReasons.Describe(reason);
            Assert.Equal(reason, description.Reason);
            Assert.Equal(reason.ToString(), description.Name);
            Assert.Equal(description.Name.StartsWith("In", StringComparison.Ordinal), description.Direction == PacketDirection.In);
            Assert.Matches(@"^[A-Z].{15,160}\.$", description.Meaning);
            Assert.Matches(@"^[A-Z].{15,160}\.$", description.Remedy);
        }

        Assert.Equal(Reasons, DropReasons.All.Select(d => d.Reason));
    }

    [Fact]
    public void The_count_covers_the_enumeration() =>
        Assert.Equal(DropReasons.Count, (int)Enum.GetValues<DropReason>().Max() + 1);

    [Fact]
    public void Names_and_meanings_are_unique()
    {
        Assert.Distinct(DropReasons.All.Select(d => d.Name));
        Assert.Distinct(DropReasons.All.Select(d => d.Meaning));
        Assert.All(DropReasons.All, d => Assert.Matches("^(In|Out)[A-Z][A-Za-z0-9]+$", d.Name));
    }

    [Fact]
    public void Kernel_names_are_the_kernels()
    {
        string[] used = [.. DropReasons.All.Select(d => d.KernelName).OfType<string>()];
        Assert.NotEmpty(used);
        Assert.Empty(used.Except(s_kernelNames));

        // A reason may not look like one of the kernel's and mean something else.
        Assert.Equal(used, DropReasons.All.Select(d => "Xfrm" + d.Name).Intersect(s_kernelNames));
    }

    [Fact]
    public void The_running_kernel_knows_its_names()
    {
        const string path = "/proc/net/xfrm_stat";
        if (!File.Exists(path))
        {
            // A kernel without xfrm statistics has nothing to compare with; the fixed list above still holds.
            return;
        }

        string[] known = [.. File.ReadLines(path).Select(line => line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[0])];

        // The newest name is missing on kernels before 6.17.
        Assert.Empty(DropReasons.All.Select(d => d.KernelName).OfType<string>().Except(known).Except(["XfrmOutNoQueueSpace"]));
    }

    [Fact]
    public void What_is_no_reason_is_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => DropReasons.Describe(DropReason.None));
        Assert.Throws<ArgumentOutOfRangeException>(() => DropReasons.Describe((DropReason)DropReasons.Count));
        Assert.Throws<ArgumentOutOfRangeException>(() => DropReasons.Describe((DropReason)255));
    }
}
