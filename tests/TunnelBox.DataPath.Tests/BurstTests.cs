using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests;

public sealed class BurstTests
{
    [Fact]
    public void Bytes_are_those_of_its_packets_at_every_count()
    {
        Burst burst = new();
        Random random = new(1);
        for (int count = 0; count <= Burst.Capacity; count++)
        {
            for (int i = 0; i < Burst.Capacity; i++)
            {
                burst.Length[i] = random.Next(65_536);
            }

            burst.Count = count;
            Assert.Equal(burst.Length.Take(count).Sum(length => (long)length), burst.Bytes());
        }
    }

    [Fact]
    public void A_dropped_packet_anywhere_is_seen_and_those_behind_the_end_are_not()
    {
        Burst burst = new();
        for (int count = 1; count <= Burst.Capacity; count++)
        {
            for (int dropped = 0; dropped < Burst.Capacity; dropped++)
            {
                burst.Count = Burst.Capacity;
                burst.Clear();
                burst.Count = count;
                burst.Drop(dropped, DropReason.OutNoStates);
                Assert.Equal(dropped < count ? -1 : 0, burst.CountSealed());
            }
        }
    }
}
