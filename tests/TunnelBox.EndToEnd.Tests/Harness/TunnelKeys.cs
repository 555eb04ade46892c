namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>A key pair made by wg(8), in base64.</summary>
internal sealed record TunnelKeys(string Private, string Public)
{
    /// <summary>A fresh pair.</summary>
    public static async Task<TunnelKeys> MakeAsync(CancellationToken deadline)
    {
        string secret = (await RunningProcess.RunAsync(["wg", "genkey"], deadline)).Expect().Output.Trim();
        string open = (await RunningProcess.RunAsync(["wg", "pubkey"], deadline, secret)).Expect().Output.Trim();
        return new TunnelKeys(secret, open);
    }

    /// <summary>A fresh preshared key.</summary>
    public static async Task<string> PresharedAsync(CancellationToken deadline)
    {
        return (await RunningProcess.RunAsync(["wg", "genpsk"], deadline)).Expect().Output.Trim();
    }
}
