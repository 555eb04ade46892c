namespace TunnelBox.Control.Quick;

/// <summary>What to take back when a later step fails, the last first.</summary>
/// <param name="note">Told what could not be taken back.</param>
public sealed class UndoStack(Action<string> note)
{
    private readonly Stack<Action> _actions = new();

    /// <summary>Remembers how a step is taken back.</summary>
    /// <param name="action">Takes it back.</param>
    public void Push(Action action) => _actions.Push(action);

    /// <summary>Takes every step back, as far as each lets itself be.</summary>
    public void Run()
    {
        while (_actions.TryPop(out Action? action))
        {
            try
            {
                action();
            }
            catch (Exception e)
            {
                // Whatever it was, the steps before it must be taken back too.
                note($"While taking back what was done: {e.Message.TrimEnd('.')}.");
            }
        }
    }
}
