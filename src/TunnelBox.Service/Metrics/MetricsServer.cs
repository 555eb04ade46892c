using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace TunnelBox.Service.Metrics;

/// <summary>Serves <c>GET /metrics</c> in Prometheus' text format, at a TCP address or at a Unix socket that only root may connect to.</summary>
public sealed class MetricsServer : IDisposable
{
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(1);
    private readonly WebApplication _application;
    private readonly string? _socket;

    private MetricsServer(WebApplication application, string? socket)
    {
        _application = application;
        _socket = socket;
    }

    /// <summary>Begins to serve.</summary>
    /// <param name="address">Where.</param>
    /// <param name="metrics">What.</param>
    /// <returns>The server; it stops when it is disposed.</returns>
    /// <exception cref="StartException">The address cannot be had; the sentence says what to do.</exception>
    public static MetricsServer Start(MetricsAddress address, TunnelMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(address);
        ArgumentNullException.ThrowIfNull(metrics);
        string? socket = (address.EndPoint as System.Net.Sockets.UnixDomainSocketEndPoint)?.ToString();
        try
        {
            if (socket is not null)
            {
                Directory.CreateDirectory(Path.GetDirectoryName(socket)!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
                // One that was left behind: the interface's name is ours alone while its device is.
                File.Delete(socket);
            }

            WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
            builder.WebHost.UseKestrelCore().ConfigureKestrel(options =>
            {
                options.AddServerHeader = false;
                options.Limits.MaxConcurrentConnections = 64;
                options.Limits.MaxRequestBodySize = 0;
                options.Listen(address.EndPoint);
            });
            WebApplication application = builder.Build();
            application.Run(context => Answer(context, metrics));
            application.StartAsync().GetAwaiter().GetResult();
            if (socket is not null)
            {
                File.SetUnixFileMode(socket, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            }

            return new MetricsServer(application, socket);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or System.Net.Sockets.SocketException)
        {
            throw new StartException($"metrics cannot be served at {address}: {fault.Message.TrimEnd('.')}; set another address as Metrics in tunnelbox.json.", fault);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        using CancellationTokenSource patience = new(StopPatience);
        try
        {
            _application.StopAsync(patience.Token).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException)
        {
            // Somebody reads slowly; the process ends all the same.
        }

        ((IDisposable)_application).Dispose();
        if (_socket is not null)
        {
            File.Delete(_socket);
        }
    }

    private static Task Answer(HttpContext context, TunnelMetrics metrics)
    {
        HttpResponse response = context.Response;
        if (context.Request.Path != "/metrics")
        {
            response.StatusCode = (int)HttpStatusCode.NotFound;
            return response.WriteAsync("There is only /metrics here.\n");
        }

        if (!HttpMethods.IsGet(context.Request.Method))
        {
            response.StatusCode = (int)HttpStatusCode.MethodNotAllowed;
            response.Headers.Allow = "GET";
            return response.WriteAsync("Only GET is understood here.\n");
        }

        response.ContentType = PrometheusText.ContentType;
        metrics.Refresh();
        return response.WriteAsync(PrometheusText.Write(metrics.Meter));
    }
}
