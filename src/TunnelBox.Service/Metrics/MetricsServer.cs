using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace TunnelBox.Service.Metrics;

/// <summary>
/// Serves <c>GET /metrics</c> in Prometheus' text format, and <c>/livez</c>, <c>/readyz</c> and <c>/startupz</c>, at a TCP address or at a Unix socket that
/// only root may connect to.
/// </summary>
public sealed class MetricsServer : IDisposable
{
    private const string Metrics = "metrics";
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
    /// <param name="metrics">What; null for no metrics.</param>
    /// <param name="probes">What orchestrators are answered; null for no health.</param>
    /// <returns>The server; it stops when it is disposed.</returns>
    /// <exception cref="StartException">The address cannot be had; the sentence says what to do.</exception>
    public static MetricsServer Start(MetricsAddress address, TunnelMetrics? metrics, Probes? probes = null)
    {
        ArgumentNullException.ThrowIfNull(address);
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
            application.Run(context => Answer(context, metrics, probes));
            application.StartAsync().GetAwaiter().GetResult();
            if (socket is not null)
            {
                File.SetUnixFileMode(socket, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            }

            return new MetricsServer(application, socket);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or System.Net.Sockets.SocketException)
        {
            (string what, string setting) = metrics is null ? ("health", "Health") : ("metrics", "Metrics");
            throw new StartException($"{what} cannot be served at {address}: {fault.Message.TrimEnd('.')}; set another address as {setting} in tunnelbox.json.", fault);
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

    private static Task Answer(HttpContext context, TunnelMetrics? metrics, Probes? probes)
    {
        HttpResponse response = context.Response;
        string path = context.Request.Path.Value?.TrimStart('/') ?? string.Empty;
        bool isProbe = probes is not null && Probes.Names.Contains(path);
        if (!isProbe && (metrics is null || path != Metrics))
        {
            response.StatusCode = (int)HttpStatusCode.NotFound;
            IEnumerable<string> there = [.. metrics is null ? [] : new[] { Metrics }, .. probes is null ? [] : Probes.Names];
            return response.WriteAsync($"There is only {string.Join(", ", there.Select(name => "/" + name))} here.\n");
        }

        if (!HttpMethods.IsGet(context.Request.Method) && !(isProbe && HttpMethods.IsHead(context.Request.Method)))
        {
            response.StatusCode = (int)HttpStatusCode.MethodNotAllowed;
            response.Headers.Allow = isProbe ? "GET, HEAD" : "GET";
            return response.WriteAsync("Only GET is understood here.\n");
        }

        if (isProbe)
        {
            string? fault = probes!.Ask(path);
            response.StatusCode = (int)(fault is null ? HttpStatusCode.OK : HttpStatusCode.ServiceUnavailable);
            response.ContentType = "text/plain; charset=utf-8";
            response.Headers.CacheControl = "no-store";
            string text = fault is null ? "ok\n" : fault + "\n";
            return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : response.WriteAsync(text);
        }

        response.ContentType = PrometheusText.ContentType;
        metrics!.Refresh();
        return response.WriteAsync(PrometheusText.Write(metrics.Meter));
    }
}
