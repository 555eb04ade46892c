using System.Runtime.CompilerServices;

namespace TunnelBox.Crypto.Tests.Batch.Generator;

public sealed class KernelGeneratorTests
{
    [Theory]
    [InlineData(512)]
    [InlineData(256)]
    [InlineData(128)]
    public void The_checked_in_kernels_are_what_the_generator_writes(int width)
    {
        string path = Path.Combine(SourceFolder(), KernelGenerator.FileName(width));
        string text = KernelGenerator.Generate(width);
        if (Environment.GetEnvironmentVariable("TB_REGENERATE") == "1")
        {
            File.WriteAllText(path, text);
        }

        Assert.True(
            string.Equals(text, File.ReadAllText(path), StringComparison.Ordinal),
            $"{path} differs from what the generator writes; run this test once with TB_REGENERATE=1 and commit the result.");
    }

    private static string SourceFolder([CallerFilePath] string here = "")
        => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "../../../../src/TunnelBox.Crypto/Batch"));
}
