using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using TunnelBox.Linux.Libc;

namespace TunnelBox.Linux.Tests.Libc;

/// <summary>
/// Compiles a C program that prints every constant and the layout of every struct of the bindings, and compares. The program
/// is made by reflection, so that nothing can be added without being checked.
/// </summary>
public sealed class AbiTests
{
    /// <summary>Younger than the headers of Debian 12; the values are those of the kernel named in the documentation.</summary>
    private static readonly string[] MayBeMissing = ["TUN_F_USO4", "TUN_F_USO6", "VIRTIO_NET_HDR_GSO_UDP_L4", "XDP_MAX_TX_SKB_BUDGET", "XDP_USE_SG", "XDP_PKT_CONTD", "XDP_TX_METADATA", "XDP_UMEM_TX_METADATA_LEN", "XDP_TXMD_FLAGS_CHECKSUM"];

    /// <summary>Structs that older headers have not, or not whole, as later ones have them.</summary>
    private const string YoungStructs = """
        #ifndef XDP_TXMD_FLAGS_CHECKSUM
        struct xdp_umem_reg_of_6_8 { __u64 addr; __u64 len; __u32 chunk_size; __u32 headroom; __u32 flags; __u32 tx_metadata_len; };
        #define xdp_umem_reg xdp_umem_reg_of_6_8
        struct xsk_tx_metadata { __u64 flags; __u16 csum_start; __u16 csum_offset; __u64 launch_time; };
        #else
        #define csum_start request.csum_start
        #define csum_offset request.csum_offset
        #define launch_time request.launch_time
        #endif
        """;

    private static readonly string[] Headers =
    [
        "errno.h", "signal.h", "fcntl.h", "unistd.h", "poll.h", "sched.h", "time.h", "sys/eventfd.h", "sys/ioctl.h", "sys/mman.h",
        "sys/socket.h", "sys/uio.h", "netinet/in.h", "netinet/udp.h", "net/if.h", "linux/sockios.h", "linux/if_tun.h",
        "linux/virtio_net.h", "linux/if_xdp.h", "linux/ethtool.h",
        "sys/prctl.h", "sys/resource.h", "linux/seccomp.h", "linux/filter.h", "linux/mempolicy.h",
    ];

    private static FieldInfo[] Constants => typeof(Definitions).GetFields(BindingFlags.Public | BindingFlags.Static);

    private static Type[] Structs =>
        [.. typeof(LibC).Assembly.GetExportedTypes().Where(t => t.Namespace == typeof(LibC).Namespace && t.IsValueType && !t.IsEnum && !t.IsNested)];

    [Fact]
    public void Every_constant_and_struct_is_as_in_c()
    {
        Dictionary<string, long> found = RunC();
        var wrong = new List<string>();
        void Compare(string name, long ours)
        {
            if (!found.TryGetValue(name, out long theirs))
            {
                if (!MayBeMissing.Contains(name, StringComparer.Ordinal))
                {
                    wrong.Add($"{name} is not in the headers");
                }
            }
            else if (ours != theirs)
            {
                wrong.Add($"{name} is {theirs} in C and {ours} here");
            }
        }

        foreach (FieldInfo constant in Constants)
        {
            object value = constant.GetRawConstantValue()!;
            Compare(constant.Name, value is ulong big ? (long)big : Convert.ToInt64(value, CultureInfo.InvariantCulture));
        }

        foreach (Type type in Structs)
        {
            Compare($"sizeof {type.Name}", SizeOf(type));
            foreach (FieldInfo field in type.GetFields(BindingFlags.Public | BindingFlags.Instance))
            {
                Compare($"{type.Name}.{field.Name}", OffsetOf(type, field));
                Compare($"sizeof {type.Name}.{field.Name}", SizeOf(field.FieldType));
            }
        }

        Assert.Empty(wrong);
        Assert.True(Constants.Length > 140 && Structs.Length >= 12);
    }

    [Fact]
    public void Control_message_sizes_are_as_in_c()
    {
        Dictionary<string, long> found = RunC();
        for (int i = 0; i < 40; i++)
        {
            Assert.Equal(found[$"CMSG_SPACE {i}"], LibC.CMSG_SPACE(i));
            Assert.Equal(found[$"CMSG_LEN {i}"], LibC.CMSG_LEN(i));
        }
    }

    [Fact]
    public void Error_numbers_have_names_and_sentences()
    {
        Assert.Equal("EADDRINUSE", Errno.Name(-98));
        Assert.Equal("EADDRINUSE", Errno.Name(98));
        Assert.Equal("errno 4095", Errno.Name(4095));
        Assert.Contains("(ENOENT)", Errno.Describe(2), StringComparison.Ordinal);
        foreach (FieldInfo error in Constants.Where(c => c.Name.StartsWith('E') && !c.Name.StartsWith("EFD_", StringComparison.Ordinal) && !c.Name.StartsWith("ETH", StringComparison.Ordinal)))
        {
            Assert.Equal(error.Name, Errno.Name((int)error.GetRawConstantValue()!));
        }
    }

    private static int SizeOf(Type type) =>
        type.IsPointer ? IntPtr.Size : (int)typeof(Unsafe).GetMethod(nameof(Unsafe.SizeOf))!.MakeGenericMethod(type).Invoke(null, null)!;

    private static int OffsetOf(Type type, FieldInfo field) => (int)Marshal.OffsetOf(type, field.Name);

    private static Dictionary<string, long> RunC()
    {
        var source = new StringBuilder("#define _GNU_SOURCE\n#include <stdio.h>\n#include <stddef.h>\n");
        foreach (string header in Headers)
        {
            source.AppendLine($"#include <{header}>");
        }

        source.AppendLine(YoungStructs);
        source.AppendLine("int main(void) {");
        foreach (FieldInfo constant in Constants)
        {
            string print = $"printf(\"{constant.Name}=%lld\\n\", (long long)({constant.Name}));";
            source.AppendLine(MayBeMissing.Contains(constant.Name, StringComparer.Ordinal) ? $"\n#ifdef {constant.Name}\n{print}\n#endif" : print);
        }

        foreach (Type type in Structs)
        {
            source.AppendLine($"printf(\"sizeof {type.Name}=%zu\\n\", sizeof(struct {type.Name}));");
            foreach (FieldInfo field in type.GetFields(BindingFlags.Public | BindingFlags.Instance))
            {
                // The nested structs of C have longer names for what is one number here.
                source.AppendLine($"printf(\"{type.Name}.{field.Name}=%zu\\n\", offsetof(struct {type.Name}, {field.Name}));");
                source.AppendLine($"printf(\"sizeof {type.Name}.{field.Name}=%zu\\n\", sizeof(((struct {type.Name}*)0)->{field.Name}));");
            }
        }

        source.AppendLine("for (int i = 0; i < 40; i++) printf(\"CMSG_SPACE %d=%zu\\nCMSG_LEN %d=%zu\\n\", i, CMSG_SPACE(i), i, CMSG_LEN(i));");
        source.AppendLine("return 0; }");
        return Compile(source.ToString());
    }

    private static Dictionary<string, long> Compile(string source)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("tunnelbox-abi");
        try
        {
            string file = Path.Combine(folder.FullName, "abi.c");
            string program = Path.Combine(folder.FullName, "abi");
            File.WriteAllText(file, source);
            string compiler = File.Exists("/usr/bin/gcc") ? "gcc" : "clang";
            Run(compiler, "-o", program, file);
            var values = new Dictionary<string, long>(StringComparer.Ordinal);
            foreach (string line in Run(program).Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                int equals = line.LastIndexOf('=');
                values[line[..equals]] = long.Parse(line.AsSpan(equals + 1), CultureInfo.InvariantCulture);
            }

            return values;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static string Run(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using Process process = Process.Start(start)
            ?? throw new InvalidOperationException($"{program} does not start: install gcc or clang");
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program}: {errors.Result}");
        return output;
    }
}
