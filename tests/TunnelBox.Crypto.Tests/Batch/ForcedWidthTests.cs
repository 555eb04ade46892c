using System.Diagnostics;
using TunnelBox.Crypto.Batch;

namespace TunnelBox.Crypto.Tests.Batch;

/// <summary>The same tests as on lesser processors: the runtime is told in a child process not to use wider instructions.</summary>
public sealed class ForcedWidthTests
{
    private const string Expectation = "TB_EXPECTED_ENGINE";

    private static readonly string[] Chosen =
    [
        nameof(The_engine_is_the_expected_one),
        nameof(BatchAeadTests.Every_length_up_to_2100_seals_and_opens_alone_and_in_company),
        nameof(BatchAeadTests.Random_bursts_agree_with_libsodium),
        nameof(BatchAeadTests.One_flipped_bit_is_refused_wherever_it_is),
        nameof(GuardPageTests),
        nameof(BatchScratchTests),
        nameof(Rfc8439Tests),
    ];

    [Theory]
    [InlineData("DOTNET_EnableAVX512", "vector256")]
    [InlineData("DOTNET_EnableAVX2", "vector128")]
    [InlineData("DOTNET_EnableHWIntrinsic", "scalar")]
    public async Task Narrower_engines_are_chosen_and_right_when_instructions_are_missing(string switchedOff, string engine)
    {
        string assembly = typeof(ForcedWidthTests).Assembly.Location;
        ProcessStartInfo start = new("dotnet")
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            ArgumentList =
            {
                "vstest", assembly, "--TestCaseFilter:" + string.Join('|', Chosen.Select(name => "FullyQualifiedName~" + name)),
            },
            Environment = { [switchedOff] = "0", [Expectation] = engine, ["TB_FULL"] = "0" },
        };
        using Process child = Process.Start(start)!;
        Task<string> errors = child.StandardError.ReadToEndAsync();
        string output = await child.StandardOutput.ReadToEndAsync();
        await child.WaitForExitAsync();
        Assert.True(child.ExitCode == 0, output + await errors);
    }

    [Fact]
    public void The_engine_is_the_expected_one()
    {
        string? expected = Environment.GetEnvironmentVariable(Expectation);
        if (expected != null)
        {
            Assert.Equal(expected, PacketAead.Select().Name);
        }
    }
}
