using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net;
using TunnelBox.Crypto;

namespace TunnelBox.Control;

/// <summary>What a file says of a peer and WireGuard itself has no place for.</summary>
/// <param name="PublicKey">The peer.</param>
/// <param name="Name">What people call it, or null.</param>
/// <param name="EndpointHost">Its endpoint's host name as written; null where the endpoint was written as an address, or not at all.</param>
/// <param name="EndpointPort">Its endpoint's port.</param>
/// <param name="ResolvedAt">When the host name was last resolved, or null for never.</param>
/// <param name="Addresses">What it was resolved to by whoever wrote the note, or null where that is not known.</param>
public sealed record PeerNote(
    PublicKey PublicKey, string? Name, string? EndpointHost, ushort EndpointPort, DateTimeOffset? ResolvedAt, IReadOnlyList<IPAddress>? Addresses = null);

/// <summary>The notes of one tunnel's peers. Safe for use by several threads; a note is immutable and replaced as a whole.</summary>
public sealed class PeerNotes
{
    private readonly ConcurrentDictionary<PublicKey, PeerNote> _notes = new();

    /// <summary>Raised after notes have changed by <see cref="Apply"/>, <see cref="Keep"/> or <see cref="ForgetHost"/>, on the thread that changed them, without a lock held.</summary>
    public event Action? Changed;

    /// <summary>Gets every note, in no order.</summary>
    public ImmutableArray<PeerNote> All => [.. _notes.Values];

    /// <summary>Finds a peer's note.</summary>
    /// <param name="publicKey">The peer.</param>
    /// <returns>The note, or null.</returns>
    public PeerNote? Find(PublicKey publicKey) => _notes.GetValueOrDefault(publicKey);

    /// <summary>Takes over what <c>annotate</c> says.</summary>
    /// <param name="request">The request.</param>
    /// <param name="known">Tells whether there is such a peer; notes of others are passed over, so that their number stays bounded.</param>
    /// <exception cref="ControlException">The request is wrong; nothing was changed.</exception>
    public void Apply(AnnotateRequest request, Func<PublicKey, bool> known)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(known);
        if (request.Peers.Count > AnnotateRequest.MaxPeers)
        {
            throw new ControlException($"The control request has more than {AnnotateRequest.MaxPeers} peers; send several.", ControlFailure.Wrong);
        }

        List<(PublicKey Key, PeerAnnotation Annotation)> checkedOnes = [];
        foreach (PeerAnnotation annotation in request.Peers)
        {
            checkedOnes.Add((Check(annotation), annotation));
        }

        if (request.Replace)
        {
            _notes.Clear();
        }

        foreach ((PublicKey key, PeerAnnotation annotation) in checkedOnes)
        {
            if (known(key))
            {
                PeerNote note = Merge(_notes.GetValueOrDefault(key) ?? new PeerNote(key, null, null, 0, null), annotation);
                _notes[key] = note;
            }
        }

        Changed?.Invoke();
    }

    /// <summary>Notes that a peer's host name was resolved, unless it has another one by now.</summary>
    /// <param name="note">The note whose name was resolved.</param>
    /// <param name="at">When.</param>
    public void Resolved(PeerNote note, DateTimeOffset at)
    {
        ArgumentNullException.ThrowIfNull(note);
        // A failed exchange means that somebody wrote a newer note, which has its own time.
        _notes.TryUpdate(note.PublicKey, note with { ResolvedAt = at }, note);
    }

    /// <summary>Forgets the host name of a peer whose endpoint was set to an address.</summary>
    /// <param name="publicKey">The peer.</param>
    public void ForgetHost(PublicKey publicKey)
    {
        while (_notes.TryGetValue(publicKey, out PeerNote? note) && note.EndpointHost is not null)
        {
            if (_notes.TryUpdate(publicKey, note with { EndpointHost = null, EndpointPort = 0, ResolvedAt = null, Addresses = null }, note))
            {
                Changed?.Invoke();
                return;
            }
        }
    }

    /// <summary>Drops the notes of peers that have left.</summary>
    /// <param name="known">Tells whether there is such a peer.</param>
    public void Keep(Func<PublicKey, bool> known)
    {
        ArgumentNullException.ThrowIfNull(known);
        bool any = false;
        foreach (PublicKey key in _notes.Keys)
        {
            any |= !known(key) && _notes.TryRemove(key, out _);
        }

        if (any)
        {
            Changed?.Invoke();
        }
    }

    private static PublicKey Check(PeerAnnotation annotation)
    {
        if (!PublicKey.TryParse(annotation.PublicKey, out PublicKey key))
        {
            throw new ControlException("The control request has a public key that is none; 44 characters of base64 are needed.", ControlFailure.Wrong);
        }

        if (annotation.EndpointAddresses is { } addresses
            && (addresses.Count > PeerAnnotation.MaxAddresses || addresses.Any(address => !IPAddress.TryParse(address, out _))))
        {
            throw new ControlException(
                $"The control request has endpoint addresses that are none, or more than {PeerAnnotation.MaxAddresses} of them.", ControlFailure.Wrong);
        }

        // A host name has 253 characters at most (RFC 1035); names are bounded by the file's reader.
        return IsText(annotation.Name, 64) && IsText(annotation.EndpointHost, 253)
            ? key
            : throw new ControlException(
                "The control request has a name that is too long or has control characters; 64 characters are allowed for a peer, 253 for a host.", ControlFailure.Wrong);
    }

    private static bool IsText(string? text, int longest) => text is null || (text.Length <= longest && !text.Any(char.IsControl));

    private static PeerNote Merge(PeerNote note, PeerAnnotation annotation)
    {
        if (annotation.Name is { } name)
        {
            note = note with { Name = name.Length == 0 ? null : name };
        }

        return annotation.EndpointHost switch
        {
            null => note,
            "" => note with { EndpointHost = null, EndpointPort = 0, ResolvedAt = null, Addresses = null },
            string host when annotation.ResolvedAt is null && annotation.EndpointAddresses is null && host == note.EndpointHost && annotation.EndpointPort == note.EndpointPort => note,
            string host => note with
            {
                EndpointHost = host,
                EndpointPort = annotation.EndpointPort,
                ResolvedAt = annotation.ResolvedAt,
                Addresses = annotation.EndpointAddresses is { Count: > 0 } addresses ? [.. addresses.Select(IPAddress.Parse)] : null,
            },
        };
    }
}
