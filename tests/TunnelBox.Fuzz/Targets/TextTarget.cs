using System.Text;
using TunnelBox.Control.Tests;

namespace TunnelBox.Fuzz.Targets;

/// <summary>Texts of lines, words or tokens: right ones whose items, keys, values and bytes change.</summary>
/// <param name="separator">What parts items.</param>
internal abstract class TextTarget(byte separator) : FuzzTarget
{
    private Mutator? _items;
    private byte[][] _known = [];

    /// <inheritdoc/>
    public override byte[] Make(Random random, IReadOnlyList<byte[]> pool)
    {
        if (pool.Count != _known.Length || random.Next(64) == 0)
        {
            _known = [.. pool];
        }

        if (random.Next(4) == 0)
        {
            return base.Make(random, pool);
        }

        _items ??= new Mutator(random.Next(), separator);
        byte[] made = _items.Next(_known);
        return made.Length <= InputMutator.Longest ? made : made[..InputMutator.Longest];
    }

    /// <summary>Gives texts as bytes.</summary>
    /// <param name="texts">The texts.</param>
    /// <returns>Their UTF-8.</returns>
    protected static byte[][] Bytes(params string[] texts) => [.. texts.Select(Encoding.UTF8.GetBytes)];

    /// <summary>Demands of a text for people that nothing in it moves a cursor.</summary>
    /// <param name="text">The text.</param>
    protected static void IsPrintable(string text) => FuzzFind.Unless(text.Length > 0 && !text.Any(char.IsControl), $"What is said has words and no control characters: {Convert.ToHexString(Encoding.UTF8.GetBytes(text))}");
}
