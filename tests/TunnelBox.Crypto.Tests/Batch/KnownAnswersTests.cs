using System.Globalization;
using System.Text;
using TunnelBox.Crypto.Batch;

namespace TunnelBox.Crypto.Tests.Batch;

public sealed class KnownAnswersTests
{
    [Fact]
    public void The_known_sums_are_those_of_libsodium()
    {
        StringBuilder wrong = new();
        for (int round = 0; round < KnownAnswers.Rounds.Length; round++)
        {
            Assert.Null(KnownAnswers.Round(new Sodium(), round, out ulong sum));
            if (sum != KnownAnswers.Rounds[round].Sum)
            {
                wrong.Append(CultureInfo.InvariantCulture, $"round {round} should have 0x{sum:X16}; ");
            }
        }

        Assert.True(wrong.Length == 0, wrong.ToString());
    }

    [Fact]
    public void Each_engine_gives_them() => Assert.All(Workbench.Engines, name => Assert.Null(KnownAnswers.Check(Workbench.Create(name))));

    private sealed class Sodium : IPacketAead
    {
        public string Name => "oracle";

        public void Seal(Span<AeadJob> jobs) => Oracle.Seal(jobs);

        public void Open(Span<AeadJob> jobs)
        {
            foreach (ref AeadJob job in jobs)
            {
                job.Opened = Oracle.Open(job);
            }
        }
    }
}
