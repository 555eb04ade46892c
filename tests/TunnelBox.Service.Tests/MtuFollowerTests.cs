using System.Net;
using TunnelBox.Control;
using TunnelBox.Control.Quick;

namespace TunnelBox.Service.Tests;

public sealed class MtuFollowerTests
{
    private readonly List<string> _told = [];
    private readonly MtuFollower _follower;
    private int _device = 1420;
    private int _refusal;
    private MtuRoute? _route = new(1500, "eth0", IPAddress.Parse("192.0.2.7"));

    public MtuFollowerTests()
    {
        _follower = new MtuFollower(
            () => _device,
            mtu =>
            {
                _device = _refusal < 0 ? _device : mtu;
                return _refusal;
            },
            () => _route,
            _told.Add);
    }

    [Fact]
    public void A_derived_mtu_follows_its_route_and_stays_while_there_is_none()
    {
        Derived(1420);
        Assert.Empty(_told);
        _route = _route! with { Carries = 1400 };
        _follower.Look();
        Assert.Equal((1320, MtuOrigin.Route), (_device, _follower.Origin));
        Assert.Equal("MTU 1420 -> 1320, following the route to 192.0.2.7 through eth0, which carries 1400 bytes", Assert.Single(_told));
        _route = null;
        _follower.Look();
        Assert.Equal(1320, _device);
        Assert.Null(_follower.Route);
        _route = new MtuRoute(9000, "eth1", null);
        _follower.Look();
        Assert.Equal((8920, "eth1"), (_device, _follower.Route!.LinkName));
    }

    [Fact]
    public void One_that_was_set_by_hand_stays_also_when_a_file_without_mtu_is_loaded_again()
    {
        Derived(1420);
        _device = 1300;
        _follower.Seen();
        Assert.Equal(MtuOrigin.Hand, _follower.Origin);
        Derived(null);
        _route = _route! with { Carries = 1400 };
        _follower.Look();
        Assert.Equal((1300, MtuOrigin.Hand), (_device, _follower.Origin));
        Assert.Null(_follower.Route);

        // "up" derives and sets it anew.
        _device = 1420;
        Derived(1420);
        Assert.Equal((1320, MtuOrigin.Route), (_device, _follower.Origin));
    }

    [Fact]
    public void One_that_was_set_by_hand_before_the_daemon_heard_of_the_derived_one_stays()
    {
        _device = 1280;
        Derived(1420);
        Assert.Equal((1280, MtuOrigin.Hand), (_device, _follower.Origin));
    }

    [Fact]
    public void One_that_the_file_gives_stays_until_the_file_no_longer_gives_it()
    {
        _follower.Adopt(new MtuAnnotation { Derived = false, Value = 1200 });
        _device = 1200;
        _follower.Seen();
        _follower.Look();
        Assert.Equal((1200, MtuOrigin.File), (_device, _follower.Origin));
        Derived(null);
        Assert.Equal((1420, MtuOrigin.Route), (_device, _follower.Origin));
    }

    [Fact]
    public void Nobody_said_anything_so_nothing_is_done()
    {
        _device = 1500;
        _follower.Seen();
        _follower.Look();
        Assert.Equal((1500, MtuOrigin.Unknown, 0), (_device, _follower.Origin, _told.Count));
    }

    [Fact]
    public void What_the_kernel_refuses_is_told_once()
    {
        Derived(1420);
        _refusal = -22;
        _route = _route! with { Carries = 100 };
        _follower.Look();
        _follower.Look();
        Assert.Equal((1420, 1), (_device, _told.Count));
        Assert.Equal(MtuOrigin.Route, _follower.Origin);
    }

    private void Derived(int? value) => _follower.Adopt(new MtuAnnotation { Derived = true, Value = value });
}
