namespace TunnelBox.Protocol;

/// <summary>Where a device's initiations get their time stamps from; each is later than all before it, across restarts too.</summary>
public interface IStampSource
{
    /// <summary>Gives the next stamp; the caller may send it at once.</summary>
    /// <returns>A stamp later than every one before.</returns>
    Tai64n Next();
}
