using System.Buffers.Binary;
using TunnelBox.DataPath.Steering;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests.Support;

/// <summary>Reads a frame slowly and step by step, as the RFCs put it: what the dissector must say about it. Hashes are not modelled.</summary>
internal sealed class HintModel
{
    private static readonly int[] s_extensions = [0, 43, 44, 51, 60];
    private readonly byte[] _frame;
    private PacketHints _hints = new() { Magic = PacketHints.ExpectedMagic };

    private HintModel(byte[] frame) => _frame = frame;

    public static PacketHints Of(byte[] frame)
    {
        var model = new HintModel(frame);
        if (frame.Length >= 14)
        {
            model.ReadEthernet();
        }

        return model._hints;
    }

    private void ReadEthernet()
    {
        int type = Word(12);
        int at = 14;
        while (type is 0x8100 or 0x88A8 && _hints.Tags < 2)
        {
            if (at + 4 > _frame.Length)
            {
                return;
            }

            if (_hints.Tags == 0)
            {
                _hints.Vlan = (ushort)Word(at);
                _hints.Present |= HintFields.Vlan;
            }

            _hints.Tags++;
            type = Word(at + 2);
            at += 4;
        }

        if (type == 0x0800)
        {
            ReadIPv4(at);
        }
        else if (type == 0x86DD)
        {
            ReadIPv6(at);
        }
    }

    private void ReadIPv4(int at)
    {
        if (at + 20 > _frame.Length || _frame[at] >> 4 != 4)
        {
            return;
        }

        int header = (_frame[at] & 15) * 4;
        int total = Word(at + 2);
        if (header < 20 || header > total || at + total > _frame.Length)
        {
            return;
        }

        int fragment = Word(at + 6);
        bool more = (fragment & 0x2000) != 0;
        int offset = fragment & 0x1FFF;
        Found(at, 4, _frame[at + 9], header > 20, more || offset > 0);
        if (offset == 0)
        {
            ReadTransport(at + header, at + total);
        }
    }

    private void ReadIPv6(int at)
    {
        if (at + 40 > _frame.Length || _frame[at] >> 4 != 6)
        {
            return;
        }

        int end = at + 40 + Word(at + 4);
        if (end > _frame.Length)
        {
            return;
        }

        int protocol = _frame[at + 6];
        int next = at + 40;
        bool options = false;
        bool fragment = false;
        bool later = false;
        bool endless = false;
        for (int header = 0; header < 7 && s_extensions.Contains(protocol); header++)
        {
            if (later || next + 8 > _frame.Length)
            {
                break;
            }

            int length = protocol switch
            {
                44 => 8,
                51 => (_frame[next + 1] + 2) * 4,
                _ => (_frame[next + 1] + 1) * 8,
            };
            if (protocol == 44)
            {
                int word = Word(next + 2);
                later = word >> 3 != 0;
                fragment |= later || (word & 1) != 0;
            }

            if (next + length > end)
            {
                endless = true;
                break;
            }

            options = true;
            protocol = _frame[next];
            next += length;
        }

        Found(at, 6, protocol, options, fragment);
        if (!later && !endless)
        {
            ReadTransport(next, end);
        }
    }

    private void Found(int at, int version, int protocol, bool options, bool fragment)
    {
        _hints.Network = (ushort)at;
        _hints.IPVersion = (byte)version;
        _hints.Protocol = (byte)protocol;
        _hints.Present |= HintFields.Network | HintFields.Hash
            | (options ? HintFields.Options : HintFields.None) | (fragment ? HintFields.Fragment : HintFields.None);
    }

    private void ReadTransport(int at, int end)
    {
        int room = end - at;
        bool whole = !_hints.Has(HintFields.Fragment);
        int header;
        switch (_hints.Protocol)
        {
            case 17:
                header = 8;
                if (room < 8)
                {
                    return;
                }

                if (whole)
                {
                    int length = Word(at + 4);
                    room = length <= room ? length : 0;
                }

                break;
            case 6:
                if (room < 20)
                {
                    return;
                }

                header = (_frame[at + 12] >> 4) * 4;
                if (header < 20)
                {
                    return;
                }

                break;
            case 1 when _hints.IPVersion == 4:
            case 58 when _hints.IPVersion == 6:
                header = 8;
                if (room < 8)
                {
                    return;
                }

                break;
            default:
                return;
        }

        _hints.Transport = (ushort)at;
        _hints.Present |= HintFields.Transport;
        if (!whole || room < header)
        {
            return;
        }

        _hints.Payload = (ushort)(at + header);
        _hints.PayloadLength = (ushort)(room - header);
        _hints.Present |= HintFields.Payload;
        if (_hints.Protocol == 17)
        {
            ReadMessage(_frame.AsSpan(at + 8, room - 8));
        }
    }

    private void ReadMessage(ReadOnlySpan<byte> datagram)
    {
        if (WireMessages.Classify(datagram, out MessageType type) != DropReason.None)
        {
            return;
        }

        _hints.Message = (byte)type;
        _hints.Present |= HintFields.Message;
        int? receiver = type switch { MessageType.Initiation => null, MessageType.Response => 8, _ => 4 };
        if (receiver is { } at)
        {
            _hints.Receiver = BinaryPrimitives.ReadUInt32LittleEndian(datagram[at..]);
            _hints.Present |= HintFields.Receiver;
        }
    }

    private int Word(int at) => (_frame[at] << 8) | _frame[at + 1];
}
