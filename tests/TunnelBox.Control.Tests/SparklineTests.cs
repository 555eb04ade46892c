using TunnelBox.Tunnelctl;

namespace TunnelBox.Control.Tests;

public sealed class SparklineTests
{
    [Fact]
    public void The_highest_value_is_the_highest_bar_and_old_ones_leave()
    {
        Sparkline line = new();
        Assert.Equal(new string(' ', Sparkline.Width), line.ToString());
        line.Add(0);
        Assert.Equal("▁", line.ToString().Trim());
        line.Add(8);
        line.Add(4);
        Assert.Equal("▁█▄", line.ToString().Trim());
        Assert.Equal(Sparkline.Width, line.ToString().Length);
        for (int i = 0; i < Sparkline.Width; i++)
        {
            line.Add(1);
        }

        Assert.Equal(new string('█', Sparkline.Width), line.ToString());
    }
}
