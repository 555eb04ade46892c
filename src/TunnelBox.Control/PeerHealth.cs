using System.Text.Json.Serialization;

namespace TunnelBox.Control;

/// <summary>Whether what is sent to a peer gets there and back, judged by what arrived and was authenticated. The rules stand with each value.</summary>
public enum PeerHealth
{
    /// <summary>Nothing was asked of it that it has not answered, and it was not heard for 135 s.</summary>
    [JsonStringEnumMemberName("quiet")]
    Quiet,

    /// <summary>It was heard within 135 s and owes nothing.</summary>
    [JsonStringEnumMemberName("well")]
    Well,

    /// <summary>We send and nothing authenticated comes back: data for 11 s (a peer answers within 10 s), or a handshake for 5 s.</summary>
    [JsonStringEnumMemberName("stalled")]
    Stalled,

    /// <summary>One direction only: it begins handshakes and never uses our answers, two or more within 20 s.</summary>
    [JsonStringEnumMemberName("unheard")]
    Unheard,

    /// <summary>A storm of packets that were seen before: 100 in 10 s, and one in twenty of what arrived.</summary>
    [JsonStringEnumMemberName("replays")]
    Replays,
}
