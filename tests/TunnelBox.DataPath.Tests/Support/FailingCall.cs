using System.Runtime.InteropServices;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Tests.Support;

/// <summary>Runs code on a thread of its own in which the kernel fails one system call: a seccomp filter.</summary>
internal static unsafe class FailingCall
{
    public static int SendMmsg => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 307 : 269;

    public static void Run(int systemCall, int errno, Action action)
    {
        Exception? problem = null;
        var thread = new Thread(() =>
        {
            try
            {
                Install(systemCall, errno);
                action();
            }
            catch (Exception e)
            {
                problem = e;
            }
        });
        thread.Start();
        thread.Join();
        if (problem is not null)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(problem);
        }
    }

    private static void Install(int systemCall, int errno)
    {
        // Load the number; if it is ours, fail; otherwise go on.
        sock_filter* program = stackalloc sock_filter[]
        {
            new sock_filter { code = 0x20 },
            new sock_filter { code = 0x15, jf = 1, k = (uint)systemCall },
            new sock_filter { code = 0x06, k = Definitions.SECCOMP_RET_ERRNO | (uint)errno },
            new sock_filter { code = 0x06, k = Definitions.SECCOMP_RET_ALLOW },
        };
        var whole = new sock_fprog { len = 4, filter = program };
        Assert.Equal(0, LibC.prctl(Definitions.PR_SET_NO_NEW_PRIVS, 1, 0));
        Assert.Equal(0, LibC.prctl(Definitions.PR_SET_SECCOMP, Definitions.SECCOMP_MODE_FILTER, (nuint)(&whole)));
    }
}
