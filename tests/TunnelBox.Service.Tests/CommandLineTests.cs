using TunnelBox.Daemon;

namespace TunnelBox.Service.Tests;

public sealed class CommandLineTests
{
    [Theory]
    [InlineData("wg0", null, false)]
    [InlineData("wg0", "0", false)]
    [InlineData("wg0", "1", true)]
    [InlineData("-f wg0", null, true)]
    [InlineData("--foreground wg0", null, true)]
    [InlineData("off_1=a+b.c-d", null, false)]
    [InlineData("fifteen-letters", null, false)]
    public void A_name_runs_a_tunnel(string arguments, string? variable, bool foreground)
    {
        string[] words = arguments.Split(' ');
        Assert.Equal(new CommandLine(Command.Run, words[^1], foreground), CommandLine.Parse(words, variable));
    }

    [Theory]
    [InlineData("")]
    [InlineData("-f")]
    [InlineData("--foreground")]
    [InlineData("wg0 -f")]
    [InlineData("wg0 --take-over wg1")]
    [InlineData("-c a.conf")]
    [InlineData("wg0 -c b.conf")]
    public void A_wrong_number_of_words_gets_the_usage(string arguments) =>
        Assert.Equal(Command.Usage, CommandLine.Parse(arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries), null).Command);

    [Fact]
    public void Several_names_are_several_tunnels_of_one_process_and_a_file_belongs_to_the_name_behind_it()
    {
        CommandLine command = CommandLine.Parse(["-f", "-c", "a.conf", "wg0", "wg1", "--config", "c.conf", "wg2"], null);
        Assert.Equal((Command.Run, "wg0", "a.conf", true), (command.Command, command.InterfaceName, command.Word, command.Foreground));
        Assert.Equal([("wg1", null), ("wg2", "c.conf")], command.Others!);
        Assert.Contains("wg0 is named twice", Assert.Throws<StartException>(() => CommandLine.Parse(["wg0", "wg1", "wg0"], null)).Message, StringComparison.Ordinal);
        Assert.Contains("--take-over", Assert.Throws<StartException>(() => CommandLine.Parse(["--take-over", "wg0", "wg1"], null)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("sixteen--letters")]
    [InlineData("a/b")]
    [InlineData("a b")]
    [InlineData("a\nb")]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("wg%d")]
    [InlineData("wgé")]
    [InlineData("-x")]
    [InlineData("--verbose")]
    public void What_cannot_be_a_name_is_refused_in_one_sentence(string name)
    {
        StartException fault = Assert.Throws<StartException>(() => CommandLine.Parse([name], null));
        Assert.Equal(ExitCodes.CannotStart, fault.ExitCode);
        Assert.Contains(name, fault.Message, StringComparison.Ordinal);
        Assert.Throws<StartException>(() => CommandLine.Parse(["-f", name], null));
    }

    [Theory]
    [InlineData("--version", Command.Version)]
    [InlineData("--help", Command.Help)]
    [InlineData("-h", Command.Help)]
    public void Questions_are_answered(string argument, object command) =>
        Assert.Equal((Command)command, CommandLine.Parse([argument], null).Command);

    [Fact]
    public void A_descriptor_is_a_number_above_the_standard_streams()
    {
        Assert.Null(CommandLine.Descriptor("WG_TUN_FD", null));
        Assert.Null(CommandLine.Descriptor("WG_TUN_FD", ""));
        Assert.Equal(7, CommandLine.Descriptor("WG_TUN_FD", "7"));
        foreach (string wrong in (string[])["2", "-1", "x", "99999999999"])
        {
            StartException fault = Assert.Throws<StartException>(() => CommandLine.Descriptor("WG_TUN_FD", wrong));
            Assert.Contains("WG_TUN_FD", fault.Message, StringComparison.Ordinal);
        }
    }
}
