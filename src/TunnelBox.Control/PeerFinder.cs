using TunnelBox.Configuration;
using TunnelBox.Crypto;

namespace TunnelBox.Control;

/// <summary>A peer as people may name it.</summary>
/// <param name="PublicKey">Its key.</param>
/// <param name="Name">What they call it, or null.</param>
public readonly record struct NamedPeer(PublicKey PublicKey, string? Name);

/// <summary>Finds the peer that somebody means by a name, a key, or the beginning of a key.</summary>
public static class PeerFinder
{
    private const int MostShown = 4;

    /// <summary>Finds the peer. A name goes before the beginning of a key; case counts only where it decides.</summary>
    /// <param name="text">What was written.</param>
    /// <param name="peers">The peers there are.</param>
    /// <param name="where">The interface, for messages.</param>
    /// <returns>The peer.</returns>
    /// <exception cref="ControlException">There is none, or more than one.</exception>
    public static NamedPeer Find(string text, IReadOnlyCollection<NamedPeer> peers, string where)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(peers);
        bool isKey = PublicKey.TryParse(text, out PublicKey key);
        List<NamedPeer> found = isKey
            ? [.. peers.Where(peer => peer.PublicKey == key)]
            : [.. peers.Where(peer => string.Equals(peer.Name, text, StringComparison.Ordinal))];
        if (found.Count == 0 && !isKey && text.Length > 0)
        {
            found = [.. peers.Where(peer => string.Equals(peer.Name, text, StringComparison.OrdinalIgnoreCase))];
            if (found.Count == 0)
            {
                found = [.. peers.Where(peer => peer.PublicKey.ToString().StartsWith(text, StringComparison.Ordinal))];
            }
        }

        return found.Count switch
        {
            1 => found[0],
            0 => throw None(text, peers, where),
            _ => throw Many(text, found, where),
        };
    }

    private static ControlException None(string text, IReadOnlyCollection<NamedPeer> peers, string where)
    {
        string question = Nearest.Question(text, peers.Select(peer => peer.Name).OfType<string>());
        string what = question.Length > 0 ? question
            : peers.Count == 0 ? " It has no peers."
            : $" A name, a key or the unique beginning of a key is needed; \"tunnelctl show {where} peers\" lists the keys.";
        return new ControlException($"{where}: no peer is called {Quote(text)}, and no key begins so.{what}", ControlFailure.Wrong);
    }

    private static ControlException Many(string text, List<NamedPeer> found, string where)
    {
        IEnumerable<string> shown = found.Take(MostShown).Select(peer => peer.Name is null ? $"{peer.PublicKey}" : $"{peer.Name} ({peer.PublicKey})");
        string more = found.Count > MostShown ? $" and {found.Count - MostShown} more" : string.Empty;
        return new ControlException(
            $"{where}: {Quote(text)} means {found.Count} peers: {string.Join(", ", shown)}{more}; write more of one key.", ControlFailure.Wrong);
    }

    private static string Quote(string text) => ConfigurationFault.Quote(System.Text.Encoding.UTF8.GetBytes(text));
}
