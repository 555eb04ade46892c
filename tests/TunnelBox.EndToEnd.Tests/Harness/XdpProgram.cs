namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>An XDP program of somebody else: drops every UDP datagram over IPv4.</summary>
internal static class XdpProgram
{
    private const string Source = """
        #include <linux/bpf.h>
        #define SECTION(name) __attribute__((section(name), used))
        SECTION("xdp") int drop(struct xdp_md *context)
        {
            unsigned char *data = (unsigned char *)(long)context->data;
            if (data + 24 > (unsigned char *)(long)context->data_end)
                return XDP_PASS;
            return data[12] == 8 && data[13] == 0 && data[23] == 17 ? XDP_DROP : XDP_PASS;
        }
        char _license[] SECTION("license") = "GPL";
        """;

    /// <summary>Attaches it to a device, in generic mode; it goes with the device.</summary>
    public static async Task DropAsync(Lab lab, NetworkNamespace space, string device)
    {
        string source = lab.WriteFile("drop.bpf.c", Source);
        string program = Path.Combine(lab.Folder, "drop.bpf.o");
        await lab.RunAsync("clang", "-O2", "-g", "-target", "bpf", "-I", "/usr/include/x86_64-linux-gnu", "-c", source, "-o", program);
        await space.IpAsync($"link set {device} xdpgeneric obj {program} sec xdp");
    }
}
