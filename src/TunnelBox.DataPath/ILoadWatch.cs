using TunnelBox.Protocol;

namespace TunnelBox.DataPath;

/// <summary>Somebody who wants to know what the gate of handshakes finds out under load; from any worker's thread.</summary>
public interface ILoadWatch
{
    /// <summary>A message had to prove its address.</summary>
    void UnderLoad();

    /// <summary>A message has proved its address.</summary>
    /// <param name="source">The address and port.</param>
    void Proven(in EndpointAddress source);
}
