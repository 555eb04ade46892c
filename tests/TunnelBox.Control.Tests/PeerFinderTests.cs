using TunnelBox.Crypto;

namespace TunnelBox.Control.Tests;

public sealed class PeerFinderTests
{
    private static readonly NamedPeer s_office = Peer("AAAA", "office");
    private static readonly NamedPeer s_home = Peer("AAAB", "Home");
    private static readonly NamedPeer s_attic = Peer("BBBB", "home");
    private static readonly NamedPeer s_tricky = Peer("CCCC", "BBB");
    private static readonly NamedPeer s_plain = Peer("DDDD", null);
    private static readonly NamedPeer[] s_all = [s_office, s_home, s_attic, s_tricky, s_plain];

    [Fact]
    public void A_name_a_key_and_the_beginning_of_a_key_find_the_peer()
    {
        Assert.Equal(s_office, Find("office"));
        Assert.Equal(s_office, Find("OFFICE"));
        Assert.Equal(s_home, Find("Home"));
        Assert.Equal(s_attic, Find("home"));
        Assert.Equal(s_office, Find(s_office.PublicKey.ToString()));
        Assert.Equal(s_office, Find("AAAA"));
        Assert.Equal(s_plain, Find("D"));
        Assert.Equal(s_tricky, Find("BBB"));
        Assert.Equal(s_attic, Find("BBBB"));
    }

    [Theory]
    [InlineData("AA", "means 2 peers: office (AAAA")]
    [InlineData("HOME", "means 2 peers: Home (AAAB")]
    [InlineData("ofice", "Did you mean office?")]
    [InlineData("aaaa", "no peer is called \"aaaa\"")]
    [InlineData("", "no peer is called")]
    [InlineData("zzzzzzzzz", "\"tunnelctl show wg0 peers\" lists")]
    [InlineData("EEEEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "no peer is called")]
    public void Everything_else_is_one_sentence(string text, string sentence)
    {
        ControlException fault = Assert.Throws<ControlException>(() => Find(text));
        Assert.Contains(sentence, fault.Message, StringComparison.Ordinal);
        Assert.StartsWith("wg0: ", fault.Message, StringComparison.Ordinal);
        Assert.Equal(ControlFailure.Wrong, fault.Failure);
    }

    [Fact]
    public void Of_many_only_some_are_shown() => Assert.Contains(
        "and 96 more", Assert.Throws<ControlException>(() => PeerFinder.Find("x", [.. Enumerable.Range(0, 100).Select(i => Peer($"A{i:D3}", "x"))], "wg0")).Message, StringComparison.Ordinal);

    private static NamedPeer Find(string text) => PeerFinder.Find(text, s_all, "wg0");

    private static NamedPeer Peer(string begin, string? name) => new(new PublicKey(Convert.FromBase64String(begin + new string('A', 39) + "=")), name);
}
