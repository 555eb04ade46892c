using System.Net;
using System.Net.Sockets;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Tun;

namespace TunnelBox.DataPath.Tests.Tun;

[Trait("Needs", "root")]
public sealed unsafe class TunPortTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Datagrams_go_round_through_the_interface(bool offloads)
    {
        using var space = new TestNamespace();
        space.Inside(() =>
        {
            using TunDevice device = TunDevice.Create(new TunOptions { Name = "tb0", Offloads = offloads });
            space.Ip("address", "add", "10.9.0.1/24", "dev", "tb0");
            space.Ip("link", "set", "tb0", "up", "mtu", "1420");
            Assert.Equal(1420, device.Mtu);
            Assert.Equal("tb0", device.Name);

            // What is sent to .2 comes out of the port; swapping the addresses sends it back as if .2 had answered.
            using var client = new UdpClient(new IPEndPoint(IPAddress.Parse("10.9.0.1"), 5000));
            client.Client.ReceiveTimeout = 2000;
            var burst = new Burst();
            for (int i = 0; i < 100; i++)
            {
                byte[] payload = new byte[i * 13];
                Random.Shared.NextBytes(payload);
                client.Send(payload, new IPEndPoint(IPAddress.Parse("10.9.0.2"), 5000));
                bool answered = false;
                while (!answered)
                {
                    burst.Clear();
                    device.Ports[0].Receive(burst);
                    for (int p = 0; p < burst.Count; p++)
                    {
                        byte* packet = (byte*)burst.Data[p];
                        if (packet[0] == 0x45 && packet[9] == 17)
                        {
                            (*(uint*)(packet + 12), *(uint*)(packet + 16)) = (*(uint*)(packet + 16), *(uint*)(packet + 12));
                            answered = true;
                        }
                    }
                }

                device.Ports[0].Send(burst);
                IPEndPoint? from = null;
                Assert.Equal(payload, client.Receive(ref from));
            }
        });
    }
}
