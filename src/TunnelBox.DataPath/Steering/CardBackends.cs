using TunnelBox.Linux.Ethtool;
using TunnelBox.Linux.Libc;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.DataPath.Steering;

/// <summary>Finds what in a card can hold steering rules, by trying.</summary>
public static class CardBackends
{
    // 192.0.2.1, which is for documentation (RFC 5737): nobody's datagrams match the rule that is tried.
    private const uint Nobody = 0xC0000201;

    /// <summary>Opens the first of n-tuple, flower and u32 that takes a rule.</summary>
    /// <param name="device">The device's name.</param>
    /// <param name="ifindex">Its number in the calling thread's network namespace.</param>
    /// <param name="port">The local UDP port.</param>
    /// <param name="queues">Its receive queues that are in use.</param>
    /// <param name="byIndex">Whether it matches receiver indices; else addresses and ports.</param>
    /// <param name="why">What was chosen, or why nothing could be, as a part of a sentence.</param>
    /// <returns>The backend, or null.</returns>
    public static ISteeringBackend? Open(string device, int ifindex, ushort port, int queues, out bool byIndex, out string why)
    {
        byIndex = false;
        if (queues < 2)
        {
            why = $"{device} has one receive queue, so there is nothing to steer";
            return null;
        }

        if (Ntuple(device, port, out string first) is { } ntuple)
        {
            why = $"n-tuple rules in {device}";
            return ntuple;
        }

        if (Flower(ifindex, port, out string second) is { } flower)
        {
            why = $"rules of tc flower that {device} carries out; n-tuple: {first}";
            return flower;
        }

        try
        {
            var u32 = new IndexBackend(IndexRules.Open(ifindex, port, inHardware: true));
            byIndex = true;
            why = $"rules of tc u32 that {device} carries out; n-tuple: {first}; tc flower: {second}";
            return u32;
        }
        catch (NetlinkException refused)
        {
            why = $"{device} carries out no rules (n-tuple: {first}; tc flower: {second}; tc u32: {Errno.Describe(refused.Errno)})";
            return null;
        }
    }

    private static FlowTableBackend? Ntuple(string device, ushort port, out string why)
    {
        why = "no socket for ethtool";
        FlowTable? table = FlowTable.Open(device);
        if (table is null)
        {
            return null;
        }

        int count = table.Count(out int room, out bool chooses);
        if (count < 0)
        {
            why = Errno.Describe(count);
        }
        else if (!chooses && room <= count)
        {
            why = $"its table has no room beside the {count} rules that are there";
        }
        else
        {
            var backend = new FlowTableBackend(table, room, chooses);
            int error = backend.Try(new UdpFlow(false, Nobody, 9, port));
            if (error == 0)
            {
                return backend;
            }

            why = Errno.Describe(error);
        }

        table.Dispose();
        return null;
    }

    private static FlowerBackend? Flower(int ifindex, ushort port, out string why)
    {
        try
        {
            FlowerRules rules = FlowerRules.Open(ifindex);
            int error = rules.Set(1, new UdpFlow(false, Nobody, 9, port), 0);
            bool isCarriedOut = error == 0 && rules.Dump().Any(rule => rule is { Number: 1, InHardware: true });
            _ = rules.Remove(1);
            if (isCarriedOut)
            {
                why = string.Empty;
                return new FlowerBackend(rules);
            }

            why = error == 0 ? "the rule was taken and does not stand in the device" : Errno.Describe(error);
            rules.Dispose();
        }
        catch (NetlinkException refused)
        {
            why = Errno.Describe(refused.Errno);
        }

        return null;
    }
}
