using System.Security.Cryptography;
using TunnelBox.Configuration;
using TunnelBox.Crypto;

namespace TunnelBox.Tunnelctl;

/// <summary>The verbs genkey, genpsk and pubkey (wg(8)).</summary>
internal static class KeyCommand
{
    /// <summary>Runs <c>genkey</c>.</summary>
    /// <param name="arguments">What follows the verb.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode RunGenkey(string[] arguments) => Generate("genkey", arguments, clamp: true);

    /// <summary>Runs <c>genpsk</c>.</summary>
    /// <param name="arguments">What follows the verb.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode RunGenpsk(string[] arguments) => Generate("genpsk", arguments, clamp: false);

    /// <summary>Runs <c>pubkey</c>.</summary>
    /// <param name="arguments">What follows the verb.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode RunPubkey(string[] arguments)
    {
        if (arguments.Length != 0)
        {
            throw UsageException.Of("pubkey");
        }

        using Stream input = Console.OpenStandardInput();
        Span<byte> key = stackalloc byte[KeyText.KeySize];
        try
        {
            if (!KeyFile.TryRead(input, key, out bool empty) || empty)
            {
                throw new UsageException($"standard input: {WgValues.KeyFault}");
            }

            Write(Curve25519.GetPublicKey(key));
            return ExitCode.Done;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    private static ExitCode Generate(string verb, string[] arguments, bool clamp)
    {
        if (arguments.Length != 0)
        {
            throw UsageException.Of(verb);
        }

        WarnIfOpen();
        Span<byte> key = stackalloc byte[KeyText.KeySize];
        try
        {
            SodiumRandom random = new();
            if (clamp)
            {
                Curve25519.GeneratePrivateKey(random, key);
            }
            else
            {
                random.Fill(key);
            }

            Write(key);
            return ExitCode.Done;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    private static void Write(PublicKey key)
    {
        Span<byte> bytes = stackalloc byte[PublicKey.Size];
        key.CopyTo(bytes);
        Write(bytes);
    }

    private static void Write(ReadOnlySpan<byte> key)
    {
        using Stream output = Console.OpenStandardOutput();
        using SecretWriter text = new(output);
        text.Base64(key).Text("\n"u8).Send();
    }

    private static void WarnIfOpen()
    {
        const string Output = "/proc/self/fd/1";
        const UnixFileMode Others = UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;
        string? target = File.ResolveLinkTarget(Output, returnFinalTarget: false)?.FullName;
        if (target is not null && !target.StartsWith("/dev/", StringComparison.Ordinal) && File.Exists(target)
            && (File.GetUnixFileMode(target) & Others) != UnixFileMode.None)
        {
            CommandLine.Note("Everybody on this machine may read the file that the key goes to; run \"umask 077\" first.");
        }
    }
}
