namespace TunnelBox.DataPath.Steering;

/// <summary>Answers that wait for whoever asked, of a backend that answers at once.</summary>
internal static class SteeringAnswers
{
    /// <summary>Takes the oldest answers out.</summary>
    /// <param name="waiting">The answers that wait.</param>
    /// <param name="into">Takes them, as many as there is room for.</param>
    /// <returns>How many were taken.</returns>
    public static int TakeInto(this Queue<SteeringAnswer> waiting, Span<SteeringAnswer> into)
    {
        int count = 0;
        while (count < into.Length && waiting.TryDequeue(out SteeringAnswer answer))
        {
            into[count++] = answer;
        }

        return count;
    }
}
