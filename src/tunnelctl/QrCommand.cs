using System.Security.Cryptography;
using QRCoder;
using TunnelBox.Configuration;
using TunnelBox.Control.Quick;

namespace TunnelBox.Tunnelctl;

/// <summary>The verb qr: a file as a picture that a phone's camera reads.</summary>
internal static class QrCommand
{
    /// <summary>The most bytes a code of the lowest correction holds (ISO/IEC 18004, version 40-L).</summary>
    private const int MaxSize = 2953;

    /// <summary>Runs the verb.</summary>
    /// <param name="arguments">What follows it.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode Run(string[] arguments)
    {
        string[] names = [.. arguments.Where(argument => argument != "--force")];
        if (names.FirstOrDefault(name => name.StartsWith('-')) is { } option)
        {
            throw UsageException.UnknownOption("qr", option);
        }

        if (names.Length != 1)
        {
            throw UsageException.Of("qr");
        }

        if (Console.IsOutputRedirected && names.Length == arguments.Length)
        {
            throw new UsageException("The picture holds a private key and standard output is no terminal; add --force to write it there all the same.");
        }

        using SecretFile bytes = SecretFile.Read(Find(names[0]));
        using (WgFile file = WgFileReader.Parse(bytes.Bytes, names[0], WgDialect.Quick))
        {
            // Read for its faults only: a phone would only say that the code is wrong.
        }

        if (bytes.Bytes.Length > MaxSize)
        {
            throw new UsageException($"{CommandLine.Clean(names[0])}: the file has {bytes.Bytes.Length} bytes, more than the {MaxSize} a QR code holds; leave out comments or peers.");
        }

        using Stream output = Console.OpenStandardOutput();
        using SecretWriter text = new(output);
        Draw(bytes, text);
        text.Send();
        return ExitCode.Done;
    }

    private static string Find(string name)
    {
        if (File.Exists(name))
        {
            return name;
        }

        string[] found = !NewPeer.IsName(name) ? [] : [.. QuickFile.Directories.Where(Directory.Exists)
            .SelectMany(directory => Directory.EnumerateDirectories(directory, "*.peers"))
            .Select(directory => Path.Combine(directory, name + ".conf")).Where(File.Exists)];
        return found.Length switch
        {
            1 => found[0],
            0 => throw new UsageException($"There is neither a file \"{CommandLine.Clean(name)}\" nor a peer of that name that new-peer made; give the path of the peer's own file."),
            _ => throw new UsageException($"{name} is a peer of {found.Length} tunnels: give one of {string.Join(", ", found)}."),
        };
    }

    private static void Draw(SecretFile bytes, SecretWriter text)
    {
        byte[] contents = bytes.Bytes.ToArray();
        try
        {
            using QRCodeData code = QRCodeGenerator.GenerateQrCode(contents, QRCodeGenerator.ECCLevel.L);
            // The matrix has its margin of four light modules, without which cameras find no code.
            int size = code.ModuleMatrix.Count;
            bool color = !Console.IsOutputRedirected;
            for (int y = 0; y < size; y += 2)
            {
                // White on black whatever the terminal's colours: most cameras read no inverted codes.
                text.Text(color ? "\e[97;40m"u8 : default);
                for (int x = 0; x < size; x++)
                {
                    bool upper = !code.ModuleMatrix[y][x];
                    bool lower = y + 1 >= size || !code.ModuleMatrix[y + 1][x];
                    text.Text((upper, lower) switch
                    {
                        (true, true) => "█"u8,
                        (true, false) => "▀"u8,
                        (false, true) => "▄"u8,
                        _ => " "u8,
                    });
                }

                text.Text(color ? "\e[0m\n"u8 : "\n"u8);
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(contents);
        }
    }
}
