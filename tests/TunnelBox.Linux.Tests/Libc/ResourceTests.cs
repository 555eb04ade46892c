using System.Globalization;
using TunnelBox.Linux.Libc;

namespace TunnelBox.Linux.Tests.Libc;

/// <summary>Priorities of threads.</summary>
public sealed class ResourceTests
{
    /// <summary>A thread's priority is its own, as the kernel shows it.</summary>
    [Fact]
    public void A_thread_yields_alone()
    {
        int before = 0;
        int after = 0;
        int refused = 0;
        var thread = new Thread(() =>
        {
            before = Nice();
            Assert.Equal(0, LibC.setpriority(Definitions.PRIO_PROCESS, 0, before + 3));
            after = Nice();
            refused = LibC.setpriority(99, 0, 0);
        });
        thread.Start();
        thread.Join();
        Assert.Equal(before + 3, after);
        Assert.Equal(before, Nice());
        Assert.Equal(-Definitions.EINVAL, refused);
    }

    // Field 19 of proc_pid_stat(5); the name in parentheses may hold blanks.
    private static int Nice()
    {
        string stat = File.ReadAllText("/proc/thread-self/stat");
        return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[16], CultureInfo.InvariantCulture);
    }
}
