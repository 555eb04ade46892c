using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>
/// Frames that no honest neighbour sends, written to the wire on both sides of a gateway whose ports are both AF_XDP: what Linux
/// would not pass on never comes out at the far end, what is odd but right does, and the tunnel goes on.
/// </summary>
public class HostileFrameTests(ITestOutputHelper output) : EndToEndTest(output, 120)
{
    private const int Seed = 20_317, Rounds = 3;

    // What the far host itself sends has identifications of its own.
    private const string Inward = $"and not src host {GatewaySite.HostB4} and not src host {GatewaySite.HostB6}";

    // Frames that must not be passed on are marked 0xdead in the identification or the flow label, those that must 0xbeef.
    private const string Script = """
        import random, socket, struct, sys, time
        device, gateway, side, seed, rounds = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", "")), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        wire.bind((device, 0))
        own = bytes.fromhex(open("/sys/class/net/%s/address" % device).read().strip().replace(":", ""))
        random.seed(seed)
        BEEF = 0xbeef

        def checksum(data):
            total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
            while total >> 16:
                total = (total & 0xffff) + (total >> 16)
            return total ^ 0xffff

        def four(mark, source="10.1.0.2", goal="10.2.0.2", version=4, ihl=None, total=None, ttl=64, fragment=0, options=b"", payload=None, wrong=0, protocol=17, port=9):
            if payload is None:
                payload = struct.pack(">HHHH", 40000, port, 8 + 24, 0) + bytes(24)
            size = 20 + len(options)
            head = struct.pack(">BBHHHBBH4s4s", version << 4 | (size // 4 if ihl is None else ihl), 0, size + len(payload) if total is None else total,
                mark, fragment, ttl, protocol, 0, socket.inet_aton(source), socket.inet_aton(goal)) + options
            return head[:10] + struct.pack(">H", checksum(head) ^ wrong) + head[12:] + payload

        def six(mark, source="fd01::2", goal="fd02::2", version=6, length=None, hops=64, following=17, payload=None):
            if payload is None:
                payload = struct.pack(">HHHH", 40000, 9, 8 + 24, 0x1234) + bytes(24)
            return struct.pack(">IHBB", version << 28 | mark, len(payload) if length is None else length, following, hops) \
                + socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, goal) + payload

        def frame(packet, to=gateway, kind=None, tags=b""):
            return to + own + tags + struct.pack(">H", kind or (0x86dd if packet[0] >> 4 == 6 else 0x0800)) + packet

        def make(DEAD):
            bad, good = [], []
            if side == "lan":
                for version in (0, 5, 6, 15):
                    bad.append(frame(four(DEAD, version=version), kind=0x0800))
                bad += [frame(four(DEAD), kind=0x86dd), frame(six(DEAD), kind=0x0800), frame(four(DEAD), kind=0x88cc)]
                bad += [frame(four(DEAD, ihl=n)) for n in (0, 1, 4, 6, 15)]
                bad += [frame(four(DEAD, total=n)) for n in (0, 1, 19, 53, 200, 1400, 65535)]
                bad += [frame(four(DEAD, wrong=n)) for n in (1, 0x100, 0xffff)]
                bad += [frame(four(DEAD, ttl=n)) for n in (0, 1)]
                bad += [frame(four(DEAD))[:n] for n in range(14, 66)]
                bad += [frame(six(DEAD))[:n] for n in range(14, 86)]
                bad += [frame(six(DEAD, length=n)) for n in (33, 200, 1400, 65535)]
                bad += [frame(six(DEAD, hops=n)) for n in (0, 1)]
                bad += [frame(six(DEAD, version=n), kind=0x86dd) for n in (0, 4, 5, 15)]
                for to in ("020000009999", "ffffffffffff", "01005e000001", "333300000001"):
                    bad += [frame(four(DEAD), to=bytes.fromhex(to)), frame(six(DEAD), to=bytes.fromhex(to))]
                for tags in ("81000005", "88a80005", "88a8000581000006", "8100000581000006"):
                    bad += [frame(four(DEAD), tags=bytes.fromhex(tags)), frame(six(DEAD), tags=bytes.fromhex(tags))]
                for source in ("127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "169.254.1.1", "10.2.0.9", "10.9.9.9"):
                    bad.append(frame(four(DEAD, source=source)))
                # Addresses of the gateway's own: of this network, of the tunnel, of the other side, and one that it has had for a moment only.
                for source in ("10.1.0.1", "10.3.0.1", "10.77.0.1", "10.1.0.77"):
                    bad.append(frame(four(DEAD, source=source)))
                # Linux passes such on in IPv6; a rule of the machine's does not.
                for source in ("fd01::1", "fd03::1"):
                    bad.append(frame(six(DEAD, source=source)))
                good.append(frame(four(BEEF, source="10.1.0.78")))
                for goal in ("127.0.0.1", "0.0.0.0", "224.0.0.9", "255.255.255.255", "10.2.0.255", "10.9.9.9", "169.254.1.1"):
                    bad.append(frame(four(DEAD, goal=goal)))
                for source in ("::1", "::", "ff02::1", "fe80::2", "fd02::9", "::ffff:10.1.0.2"):
                    bad.append(frame(six(DEAD, source=source)))
                for goal in ("::1", "::", "ff02::1", "fe80::2", "fd09::2"):
                    bad.append(frame(six(DEAD, goal=goal)))
                # A source route: the way that the sender wants is nobody's business.
                bad.append(frame(four(DEAD, options=bytes.fromhex("83070400000000") + b"\x00")))
                for padding in (0, 6, 200, 1400):
                    good += [frame(four(BEEF)) + bytes(padding), frame(six(BEEF)) + bytes(padding)]
                good += [frame(four(BEEF, payload=bytes(n), protocol=250)) for n in (0, 1, 7, 1400)]
                good += [frame(six(BEEF, payload=bytes(n), following=59)) for n in (0, 1, 7, 1380)]
                good += [frame(four(BEEF, ttl=3)), frame(six(BEEF, hops=3)), frame(four(BEEF, options=bytes.fromhex("01010101")))]
                good += [frame(four(BEEF, fragment=0x2000)), frame(four(BEEF, fragment=0x0005)), frame(four(BEEF, fragment=0x4000))]
                extension = bytes.fromhex("1100010400000000")
                good += [frame(six(BEEF, following=60, payload=extension + struct.pack(">HHHH", 40000, 9, 8, 0x77)))]
                # TCP whose options lie about their length, which whoever clamps the segment size reads.
                for options in ("02", "0204", "020405", "0200", "02ff05b4", "01" * 40, "020405b40200", "fe00", "0204ffff", "02040000"):
                    data = bytes.fromhex(options)
                    data += bytes(-len(data) % 4)
                    for offset in (5 + len(data) // 4, 5, 15, 0):
                        segment = struct.pack(">HHIIBBHHH", 40000, 9, 1, 0, offset << 4, 2, 1000, 0, 0) + data
                        good += [frame(four(BEEF, protocol=6, payload=segment)), frame(six(BEEF, following=6, payload=segment))]
            else:
                for size in (0, 1, 3, 4, 31, 32, 64, 92, 148, 149, 1400):
                    for kind in (0, 1, 2, 3, 4, 5, 255):
                        payload = struct.pack("<I", kind)[:size] + bytes(max(0, size - 4))
                        udp = struct.pack(">HHHH", 51821, 51820, 8 + size, 0) + payload
                        base = dict(source="10.77.0.2", goal="10.77.0.1", payload=udp)
                        bad += [frame(four(DEAD, **base)), frame(four(DEAD, total=28 + size + 64, **base)), frame(four(DEAD, total=27, **base)),
                            frame(four(DEAD, fragment=0x2000, **base)), frame(four(DEAD, fragment=1, **base)), frame(four(DEAD, ihl=4, **base)), frame(four(DEAD, ihl=15, **base)),
                            frame(four(DEAD, options=b"\x01" * 40, **base)), frame(four(DEAD, wrong=1, **base)), frame(four(DEAD, **base), tags=bytes.fromhex("81000005")),
                            frame(four(DEAD, **base)) + bytes(min(100, 1400 - size))]
                        for length in (0, 7, 9 + size, 65535):
                            bad.append(frame(four(DEAD, source="10.77.0.2", goal="10.77.0.1", payload=udp[:4] + struct.pack(">H", length) + udp[6:])))
                        for source in ("127.0.0.1", "255.255.255.255", "224.0.0.1", "0.0.0.0", "10.77.0.1"):
                            bad.append(frame(four(DEAD, source=source, goal="10.77.0.1", payload=udp)))
                whole = frame(four(DEAD, source="10.77.0.2", goal="10.77.0.1", payload=struct.pack(">HHHH", 51821, 51820, 8 + 148, 0) + b"\x01" + bytes(147)))
                bad += [whole[:n] for n in range(14, len(whole))]
            return bad, good

        bad, good = make(0xdead)
        chance, _ = make(0x0c0c)
        for number in range(rounds):
            for each in bad + good:
                wire.send(each)
                time.sleep(0.0003)
            # What chance makes of right frames.
            for _ in range(1500):
                each = bytearray(random.choice(chance))
                for _ in range(random.randint(1, 6)):
                    each[random.randrange(12, len(each))] = random.randrange(256)
                # Not marked as one that must arrive or must not.
                if not any(bytes.fromhex(mark) in each for mark in ("dead", "beef")):
                    wire.send(bytes(each[:random.randint(14, len(each))]))
                time.sleep(0.0002)
        print(len(good) * rounds)
        """;

    [Theory]
    [Trait("Tier", "all")]
    [InlineData("xdp")]
    [InlineData("wireguard-go")]
    public async Task What_no_router_passes_on_never_comes_out_and_the_tunnel_goes_on(string other)
    {
        GatewaySite site = await GatewaySite.BuildAsync(Lab, new GatewayOptions { Other = other });
        await site.WellAsync();
        await site.A.Space.IpAsync($"address add 10.1.0.78/24 dev {site.LanA}");
        await site.A.Space.IpAsync($"address add 10.1.0.77/24 dev {site.LanA}");
        await site.A.Space.IpAsync($"address del 10.1.0.78/24 dev {site.LanA}");
        await site.A.Space.NftAsync($"table ip6 lies {{ chain gate {{ type filter hook prerouting priority -300; iifname {site.LanA} ip6 saddr {{ fd01::1, fd03::1 }} drop; }}; }}");
        string script = Lab.WriteFile("frames.py", Script);
        Capture dead = await Capture.StartAsync(Lab, site.HostB, site.HostLinkB, $"( ip[4:2]=0xdead or ip6[2:2]=0xdead ) {Inward}");
        Capture right = await Capture.StartAsync(Lab, site.HostB, site.HostLinkB, $"( ip[4:2]=0xbeef or ip6[2:2]=0xbeef ) {Inward}");
        WgPeer before = await site.A.PeerAsync(site.B);

        string lan = (await site.A.Space.RunAsync("cat", $"/sys/class/net/{site.LanA}/address")).Output.Trim();
        string outer = (await site.A.Space.RunAsync("cat", $"/sys/class/net/{site.OuterA}/address")).Output.Trim();
        CommandResult inside = await site.HostA.RunAsync("python3", script, site.HostLinkA, lan, "lan", $"{Seed}", $"{Rounds}");
        await site.B.Space.RunAsync("python3", script, site.OuterB, outer, "outer", $"{Seed}", $"{Rounds}");

        int wanted = int.Parse(inside.Output);
        await Eventually.TrueWithinAsync(
            TimeSpan.FromSeconds(3), async () => (await right.PeekAsync()).Count >= wanted, "frames that are odd but right did not all arrive");
        Assert.Equal(wanted, (await right.StopAsync()).Count);
        IReadOnlyList<IpPacket> leaked = await dead.StopAsync();
        Assert.True(leaked.Count == 0, $"{leaked.Count} came out:\n{string.Join('\n', leaked.Take(10))}");

        WgPeer after = await site.A.PeerAsync(site.B);
        Assert.Equal(before.Endpoint, after.Endpoint);
        await site.A.ExpectAliveAsync();
        await site.WellAsync();
        await XdpSide.ExpectFramesHomeAsync(site.A);
    }
}
