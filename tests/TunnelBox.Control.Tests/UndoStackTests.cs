using TunnelBox.Control.Quick;

namespace TunnelBox.Control.Tests;

public sealed class UndoStackTests
{
    [Fact]
    public void Every_step_is_tried_last_first_and_what_failed_is_said()
    {
        List<string> done = [];
        List<string> said = [];
        UndoStack undo = new(said.Add);
        undo.Push(() => done.Add("first"));
        undo.Push(() => throw new InvalidOperationException("an odd one."));
        undo.Push(() => done.Add("third"));
        undo.Push(() => throw new IOException("a common one"));
        undo.Push(() => done.Add("fifth"));
        undo.Run();
        Assert.Equal(["fifth", "third", "first"], done);
        Assert.Equal(["While taking back what was done: a common one.", "While taking back what was done: an odd one."], said);
        undo.Run();
        Assert.Equal(3, done.Count);
    }
}
