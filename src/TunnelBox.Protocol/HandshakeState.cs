namespace TunnelBox.Protocol;

/// <summary>How far a handshake has come.</summary>
public enum HandshakeState : byte
{
    /// <summary>No handshake runs.</summary>
    None = 0,

    /// <summary>We sent an initiation and wait for the response.</summary>
    InitiationSent,

    /// <summary>We accepted an initiation and have not answered yet.</summary>
    InitiationReceived,

    /// <summary>We answered; the session's keys can be derived.</summary>
    ResponseSent,

    /// <summary>We accepted the response; the session's keys can be derived.</summary>
    ResponseReceived,
}
