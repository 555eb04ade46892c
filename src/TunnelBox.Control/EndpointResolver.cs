using System.Net;
using System.Net.Sockets;
using System.Text;
using TunnelBox.Configuration;

namespace TunnelBox.Control;

/// <summary>Turns an endpoint as written into an address, asking the resolver again where it could not answer (wg(8), WG_ENDPOINT_RESOLUTION_RETRIES).</summary>
public static class EndpointResolver
{
    /// <summary>The environment variable with the number of further attempts, or "infinity".</summary>
    public const string RetriesVariable = "WG_ENDPOINT_RESOLUTION_RETRIES";

    private const int DefaultRetries = 15;

    /// <summary>Resolves an endpoint.</summary>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="progress">Told of each wait.</param>
    /// <returns>The first address that the resolver gives.</returns>
    /// <exception cref="ControlException">The name does not resolve.</exception>
    public static IPEndPoint Resolve(HostPort endpoint, Action<string> progress)
    {
        ArgumentNullException.ThrowIfNull(progress);
        if (IpText.TryParseEndpoint(Encoding.ASCII.GetBytes(endpoint.ToString()), out IPEndPoint numeric))
        {
            return numeric;
        }

        int retries = Retries();
        double seconds = 1;
        while (true)
        {
            try
            {
                IPAddress[] addresses = Dns.GetHostAddresses(endpoint.Host);
                if (addresses.Length > 0)
                {
                    return new IPEndPoint(addresses[0], endpoint.Port);
                }

                throw Failed(endpoint, "it has no address", null);
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.TryAgain && retries != 0)
            {
                retries -= retries > 0 ? 1 : 0;
                progress($"{endpoint}: the name does not resolve yet; trying again in {seconds:F1} s.");
                Thread.Sleep(TimeSpan.FromSeconds(seconds));
                seconds = Math.Min(20, seconds * 1.2);
            }
            catch (SocketException e)
            {
                throw Failed(endpoint, e.Message.TrimEnd('.'), e);
            }
        }
    }

    private static int Retries()
    {
        string? text = Environment.GetEnvironmentVariable(RetriesVariable);
        if (text is null)
        {
            return DefaultRetries;
        }

        if (text == "infinity")
        {
            return -1;
        }

        return IpText.TryParseDecimal(Encoding.UTF8.GetBytes(text), int.MaxValue, out uint number)
            ? (int)number
            : throw new ControlException($"{RetriesVariable}: \"{text}\" is no number of retries; 0 to {int.MaxValue} or \"infinity\" is allowed.", ControlFailure.Wrong);
    }

    private static ControlException Failed(HostPort endpoint, string why, Exception? inner) => new(
        $"{endpoint}: the name does not resolve: {why}; check it, and the resolver in /etc/resolv.conf.", ControlFailure.Failed, inner);
}
