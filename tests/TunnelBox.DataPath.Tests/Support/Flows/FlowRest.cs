namespace TunnelBox.DataPath.Tests.Flows;

/// <summary>
/// Tells when nothing is under way any more between two ends that make no packets: not when nothing has arrived for a while, since a worker may have
/// lost its processor for long with packets in hand.
/// </summary>
internal sealed class FlowRest(FlowEnd[] ends)
{
    // What a worker had in hand at the first look is in a lane after two passes, and whoever took it from there has delivered it after two more.
    private const int Looks = 2;
    private const int Passes = 2;

    private readonly Worker[] _workers = [.. ends.SelectMany(end => end.Workers)];
    private long[] _passes = [];
    private long _moved = -1;
    private int _looks;

    /// <summary>Looks, from time to time.</summary>
    /// <returns>Whether all is at rest.</returns>
    public bool IsReached()
    {
        long moved = ends.Sum(end => end.Arrived + end.Dropped);
        bool isEmpty = ends.All(end => end.Peer!.Staged.Count == 0 && end.Wires.All(wire => wire.Out.All(lane => lane.IsEmpty)));
        if (!isEmpty || moved != _moved)
        {
            _moved = moved;
            _looks = 0;
            _passes = [.. _workers.Select(worker => worker.Passes)];
            return false;
        }

        if (_workers.Zip(_passes).All(each => each.First.Passes >= each.Second + Passes))
        {
            _looks++;
            _passes = [.. _workers.Select(worker => worker.Passes)];
        }

        return _looks >= Looks;
    }
}
