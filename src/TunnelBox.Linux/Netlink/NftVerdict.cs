using System.Buffers.Binary;
using System.Net;
using System.Text;

namespace TunnelBox.Linux.Netlink;

/// <summary>A packet to judge: UDP. What is null or 0 is not known.</summary>
/// <param name="IsIPv6">The family.</param>
/// <param name="SourcePort">UDP source port.</param>
/// <param name="DestinationPort">UDP destination port.</param>
/// <param name="InLink">The interface it came in by, or null.</param>
/// <param name="OutLink">The interface it leaves by, or null.</param>
/// <param name="Mark">Its firewall mark.</param>
public sealed record NftPacket(bool IsIPv6, ushort SourcePort, ushort DestinationPort, Link? InLink = null, Link? OutLink = null, uint Mark = 0)
{
    /// <summary>Gets the source address.</summary>
    public IPAddress? Source { get; init; }

    /// <summary>Gets a value indicating whether it answers a packet of ours, so that connection tracking calls it established; else it is new.</summary>
    public bool Established { get; init; }

    /// <summary>Gets the destination address.</summary>
    public IPAddress? Destination { get; init; }
}

/// <summary>What a firewall does.</summary>
public enum NftOutcome
{
    /// <summary>It lets the packet through.</summary>
    Accepts,

    /// <summary>It may drop it: a rule asks for something that is not known here.</summary>
    MayDrop,

    /// <summary>It drops it.</summary>
    Drops,
}

/// <summary>What the rules do with a packet, as far as that can be told from outside the kernel.</summary>
/// <param name="Outcome">What happens.</param>
/// <param name="Where">The rule or policy that decides, for people; empty where nothing does.</param>
public sealed record NftVerdict(NftOutcome Outcome, string Where)
{
    private const int MaxDepth = 16;

    private enum Step
    {
        Continue,
        Accept,
        Drop,
        Return,
    }

    /// <summary>Judges a packet at a hook.</summary>
    /// <param name="rules">The rules.</param>
    /// <param name="hook">1 input, 2 forward, 3 output.</param>
    /// <param name="packet">The packet.</param>
    /// <returns>What happens.</returns>
    public static NftVerdict Of(Nftables rules, uint hook, NftPacket packet)
    {
        ArgumentNullException.ThrowIfNull(rules);
        ArgumentNullException.ThrowIfNull(packet);
        NftVerdict verdict = new(NftOutcome.Accepts, string.Empty);
        byte family = packet.IsIPv6 ? Rtnetlink.AF_INET6 : Rtnetlink.AF_INET;
        foreach (NftChain chain in rules.Chains.Where(chain => chain.Hook == hook && (chain.Family == 1 || chain.Family == family)).OrderBy(chain => chain.Priority))
        {
            Walk walk = new(rules, packet);
            Step step = walk.Run(chain, 0, certain: true);
            string drop = step == Step.Drop ? walk.Decided : step is Step.Continue or Step.Return && chain.Drops ? Policy(chain) : string.Empty;
            if (drop.Length > 0 && !walk.MayAccept)
            {
                return new NftVerdict(NftOutcome.Drops, drop);
            }

            string maybe = walk.MayDrop ?? drop;
            if (maybe.Length > 0)
            {
                verdict = new NftVerdict(NftOutcome.MayDrop, maybe);
            }
        }

        return verdict;
    }

    private static string Policy(NftChain chain) => $"the policy of chain {chain.Name} in table {chain.Table}";

    private sealed class Walk(Nftables rules, NftPacket packet)
    {
        public string Decided { get; private set; } = string.Empty;

        public string? MayDrop { get; private set; }

        public bool MayAccept { get; private set; }

        public Step Run(NftChain chain, int depth, bool certain)
        {
            foreach (NftRule rule in rules.Rules.Where(rule => rule.Family == chain.Family && rule.Table == chain.Table && rule.Chain == chain.Name))
            {
                (bool? matches, int code, string target) = Judge(rule);
                bool sure = certain && matches == true;
                string where = $"rule {rule.Handle} of chain {rule.Chain} in table {rule.Table}";
                if (matches is null && code == Registers.AnyVerdict)
                {
                    (MayDrop, MayAccept) = (MayDrop ?? where, true);
                    continue;
                }

                if (matches == false || code is Registers.NoVerdict or Registers.AnyVerdict)
                {
                    continue;
                }

                Step step = code switch
                {
                    0 => Step.Drop,
                    -5 => Step.Return,
                    -3 or -4 when depth < MaxDepth && rules.Chains.FirstOrDefault(other => other.Family == chain.Family && other.Table == chain.Table && other.Name == target) is { } next =>
                        Jumped(Run(next, depth + 1, sure), code),
                    -1 or -2 or -3 or -4 => Step.Continue,
                    _ => Step.Accept,
                };
                if (step == Step.Continue)
                {
                    continue;
                }

                if (sure)
                {
                    Decided = code is -3 or -4 ? Decided : where;
                    return step;
                }

                // After a return the calling chain goes on, or the policy decides: both may come of it.
                MayDrop = step == Step.Accept ? MayDrop : MayDrop ?? where;
                MayAccept |= step != Step.Drop;
            }

            return Step.Continue;
        }

        // What a chain that was jumped to leaves undecided goes on after the jump; after a goto it does not.
        private static Step Jumped(Step step, int code) => step is Step.Return or Step.Continue ? (code == -4 ? Step.Return : Step.Continue) : step;

        private (bool? Matches, int Code, string Target) Judge(NftRule rule)
        {
            Registers registers = new(rules, rule, packet);
            bool? matches = true;
            foreach (NftExpression expression in rule.Expressions)
            {
                bool? one = registers.Run(expression);
                if (one == false)
                {
                    return (false, Registers.NoVerdict, string.Empty);
                }

                matches = one is null ? null : matches;
            }

            return (matches, registers.Code, registers.Target);
        }
    }

    /// <summary>The registers of one rule's evaluation (linux/netfilter/nf_tables.h); null for bytes that are not known.</summary>
    private sealed class Registers(Nftables rules, NftRule rule, NftPacket packet)
    {
        public const int NoVerdict = int.MaxValue;

        // A verdict map is asked for something that is not known here.
        public const int AnyVerdict = int.MaxValue - 1;
        private readonly Dictionary<uint, byte[]?> _bytes = [];

        public int Code { get; private set; } = NoVerdict;

        public string Target { get; private set; } = string.Empty;

        // True and false are certain; null is not known.
        public bool? Run(NftExpression e)
        {
            switch (e.Name)
            {
                case "meta" when e.Number(1) is { } register:
                    _bytes[register] = Meta(e.Number(2) ?? uint.MaxValue);
                    return true;
                case "payload" when e.Number(1) is { } register:
                    _bytes[register] = Payload(e.Number(2) ?? 9, e.Number(3) ?? 0, e.Number(4) ?? 0);
                    return true;
                case "ct" when e.Number(1) is { } register:
                    _bytes[register] = e.Number(2) == 0 ? BitConverter.GetBytes(packet.Established ? 2u : 8u) : null; // NF_CT_STATE_BIT of IP_CT_ESTABLISHED, of IP_CT_NEW
                    return true;
                case "bitwise":
                    _bytes[e.Number(2) ?? 0] = Bitwise(_bytes.GetValueOrDefault(e.Number(1) ?? 0), e.Value(4), e.Value(5));
                    return true;
                case "cmp":
                    return Compare(_bytes.GetValueOrDefault(e.Number(1) ?? 0), e.Number(2) ?? 0, e.Value(3));
                case "range" when _bytes.GetValueOrDefault(e.Number(1) ?? 0) is { } value && e.Value(3) is { } from && e.Value(4) is { } to:
                    bool inside = Order(value, from) >= 0 && Order(value, to) <= 0;
                    return inside == ((e.Number(2) ?? 0) == 0);
                case "lookup":
                    return LookUp(e);
                case "immediate" when e.Number(1) == 0:
                    Code = e.Nested(2, 2) is { } verdict ? Verdict(verdict) : NoVerdict;
                    return true;
                case "reject":
                    Code = 0;
                    return true;
                case "target" when e.Attributes.GetValueOrDefault((ushort)1) is { } name:
                    Code = Encoding.ASCII.GetString(name).TrimEnd('\0') is "DROP" or "REJECT" ? 0 : Code;
                    return true;
                case "counter" or "log" or "notrack" or "objref" or "immediate" or "masq":
                    return true;
                default:
                    return null;
            }
        }

        private static byte[]? Bitwise(byte[]? value, byte[]? mask, byte[]? xor)
        {
            if (value is null || mask is null || xor is null)
            {
                return null;
            }

            byte[] result = new byte[Math.Min(value.Length, Math.Min(mask.Length, xor.Length))];
            for (int i = 0; i < result.Length; i++)
            {
                result[i] = (byte)((value[i] & mask[i]) ^ xor[i]);
            }

            return result;
        }

        private static bool? Compare(byte[]? value, uint operation, byte[]? with)
        {
            if (value is null || with is null || value.Length == 0 || with.Length == 0)
            {
                return null;
            }

            int order = Order(value, with);
            return operation switch
            {
                0 => order == 0,
                1 => order != 0,
                2 => order < 0,
                3 => order <= 0,
                4 => order > 0,
                5 => order >= 0,
                _ => null,
            };
        }

        // A rule for "wg*" compares the beginning only.
        private static int Order(byte[] a, byte[] b)
        {
            int length = Math.Min(a.Length, b.Length);
            return a.AsSpan(0, length).SequenceCompareTo(b.AsSpan(0, length));
        }

        private static byte[]? Name(Link? link)
        {
            if (link is null)
            {
                return null;
            }

            byte[] name = new byte[16];
            Encoding.ASCII.GetBytes(link.Name, name);
            return name;
        }

        private static byte[]? Index(Link? link) => link is null ? null : BitConverter.GetBytes(link.Index);

        private static byte[] Port(ushort port) => [(byte)(port >> 8), (byte)port];

        // Whether a set holds what a register does; from a map, what it gives for it goes to another register or is the verdict.
        private bool? LookUp(NftExpression e)
        {
            NftSet? set = rules.Sets.FirstOrDefault(set => set.Family == rule.Family && set.Table == rule.Table && set.Name == e.Text(Nfnetlink.NFTA_LOOKUP_SET));
            byte[]? value = _bytes.GetValueOrDefault(e.Number(Nfnetlink.NFTA_LOOKUP_SREG) ?? 0);
            (bool? holds, NftElement? element) = set is null || value is null ? (null, null) : set.Find(value);
            uint? destination = e.Number(Nfnetlink.NFTA_LOOKUP_DREG);
            if (destination is null)
            {
                return ((e.Number(Nfnetlink.NFTA_LOOKUP_FLAGS) ?? 0) & Nfnetlink.NFT_LOOKUP_F_INV) != 0 ? !holds : holds;
            }

            if (destination == Nfnetlink.NFT_REG_VERDICT)
            {
                Code = element?.Verdict is { } verdict ? Verdict(verdict) : holds is null ? AnyVerdict : NoVerdict;
            }
            else
            {
                _bytes[destination.Value] = element?.Value;
            }

            return holds;
        }

        private int Verdict(byte[] nest)
        {
            int code = NoVerdict;
            foreach (NetlinkAttribute attribute in new NetlinkAttributes(nest))
            {
                code = attribute.Type == 1 && attribute.Payload.Length >= 4 ? BinaryPrimitives.ReadInt32BigEndian(attribute.Payload) : code;
                Target = attribute.Type == 2 ? attribute.Text : Target;
            }

            return code;
        }

        private byte[]? Meta(uint key) => key switch
        {
            1 => packet.IsIPv6 ? [0x86, 0xdd] : [0x08, 0x00],
            3 => BitConverter.GetBytes(packet.Mark),
            4 => Index(packet.InLink),
            5 => Index(packet.OutLink),
            6 => Name(packet.InLink),
            7 => Name(packet.OutLink),
            15 => [packet.IsIPv6 ? Rtnetlink.AF_INET6 : Rtnetlink.AF_INET],
            16 => [17],
            _ => null,
        };

        private byte[]? Payload(uint @base, uint offset, uint length)
        {
            if (@base == 2)
            {
                return (offset, length) switch
                {
                    (0, 2) => packet.SourcePort == 0 ? null : Port(packet.SourcePort),
                    (2, 2) => packet.DestinationPort == 0 ? null : Port(packet.DestinationPort),
                    (0, 4) => packet.SourcePort == 0 || packet.DestinationPort == 0 ? null : [.. Port(packet.SourcePort), .. Port(packet.DestinationPort)],
                    _ => null,
                };
            }

            // Addresses, and the parts of them that prefixes of whole bytes compare.
            (uint source, uint destination, uint size) = packet.IsIPv6 ? (8u, 24u, 16u) : (12u, 16u, 4u);
            return @base != 1 ? null
                : offset == destination && length <= size ? packet.Destination?.GetAddressBytes()[..(int)length]
                : offset == source && length <= size ? packet.Source?.GetAddressBytes()[..(int)length]
                : !packet.IsIPv6 && offset == 9 && length == 1 ? [17]
                : null;
        }
    }
}
