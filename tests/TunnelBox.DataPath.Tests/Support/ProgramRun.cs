using System.Runtime.InteropServices;

namespace TunnelBox.DataPath.Tests.Support;

/// <summary>Runs an XDP program in the kernel on one frame (BPF_PROG_TEST_RUN).</summary>
internal static unsafe partial class ProgramRun
{
    /// <summary>Runs it.</summary>
    /// <returns>Its verdict, and the frame afterwards with the metadata in front.</returns>
    public static (uint Verdict, byte[] Frame) Once(int program, byte[] frame)
    {
        byte[] after = new byte[frame.Length + 256];
        fixed (byte* bytes = frame, output = after)
        {
            var run = new TestRun
            {
                Size = (nuint)sizeof(TestRun),
                DataIn = bytes,
                DataSizeIn = (uint)frame.Length,
                DataOut = output,
                DataSizeOut = (uint)after.Length,
                Repeat = 1,
            };
            Assert.Equal(0, bpf_prog_test_run_opts(program, &run));
            return (run.ReturnValue, after[..(int)run.DataSizeOut]);
        }
    }

    [LibraryImport("libbpf.so.1")]
    private static partial int bpf_prog_test_run_opts(int program, TestRun* options);

    /// <summary>struct bpf_test_run_opts of bpf/bpf.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct TestRun
    {
        public nuint Size;
        public byte* DataIn;
        public byte* DataOut;
        public uint DataSizeIn;
        public uint DataSizeOut;
        public void* ContextIn;
        public void* ContextOut;
        public uint ContextSizeIn;
        public uint ContextSizeOut;
        public uint ReturnValue;
        public int Repeat;
        public uint Duration;
        public uint Flags;
        public uint Processor;
        public uint BatchSize;
    }
}
