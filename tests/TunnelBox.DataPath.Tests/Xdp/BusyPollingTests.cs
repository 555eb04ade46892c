using TunnelBox.DataPath.Xdp;

namespace TunnelBox.DataPath.Tests.Xdp;

[Trait("Needs", "root")]
public class BusyPollingTests
{
    [Fact]
    public void A_device_whose_interrupts_cannot_be_put_off_is_not_polled_and_the_reason_is_told()
    {
        using BusyPolling begun = BusyPolling.Begin("nothing0", 50, []);
        Assert.Equal(
            "Busy polling of nothing0 is off: its interrupts cannot be put off; /sys/class/net/nothing0/napi_defer_hard_irqs and gro_flush_timeout must be writable.",
            begun.Problem);
    }
}
