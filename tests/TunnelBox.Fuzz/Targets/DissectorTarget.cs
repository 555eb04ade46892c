using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.InteropServices;
using TunnelBox.DataPath.Steering;
using TunnelBox.DataPath.Tests.Support;

namespace TunnelBox.Fuzz.Targets;

/// <summary>
/// The XDP programs, compiled for this machine with AddressSanitizer and UBSan (native/fuzz): no byte beyond a frame is read, the frame stays as it is, and the
/// hints are those of the slow model.
/// </summary>
internal sealed class DissectorTarget : FuzzTarget
{
    private const int Programs = 5;
    private const uint Pass = 2;
    private readonly SanitizedProgram _program = new("fuzz-dissector");

    /// <inheritdoc/>
    public override string Name => "dissector";

    /// <inheritdoc/>
    public override int Run(byte[] input)
    {
        var draw = new Draw(input);
        byte program = (byte)draw.Next(Programs);
        byte[] frame = new FrameMaker(draw).Next();
        if (draw.Next(8) == 0)
        {
            draw.NextBytes(frame.AsSpan(draw.Next(frame.Length)));
        }

        // Program, room in front, what its maps and the kernel answer; then the frame.
        byte[] request = new byte[16 + frame.Length];
        BinaryPrimitives.WriteInt32LittleEndian(request, frame.Length);
        request[4] = program;
        request[5] = (byte)draw.Next(2);
        BinaryPrimitives.WriteUInt64LittleEndian(request.AsSpan(8), (ulong)draw.NextInt64());
        frame.CopyTo(request, 16);
        byte[] answer = _program.Ask(request, 8 + PacketHints.Size);
        uint verdict = BinaryPrimitives.ReadUInt32LittleEndian(answer);
        FuzzFind.Unless(program >= 3 || verdict <= 4, $"A verdict is one of XDP's five; this was {verdict}.");
        FuzzFind.Unless(BinaryPrimitives.ReadUInt32LittleEndian(answer.AsSpan(4)) == 1, "The frame stays as it is.");
        if (program != 0)
        {
            return (program << 3) | (int)(verdict & 7);
        }

        if (request[5] == 0)
        {
            FuzzFind.Unless(verdict == 0, "Without room for hints the dissector says so.");
            return 0;
        }

        PacketHints found = MemoryMarshal.Read<PacketHints>(answer.AsSpan(8));
        PacketHints expected = HintModel.Of(frame);
        FuzzFind.Unless(verdict == Pass && found.Has(HintFields.Hash) == (found.HashType != 0), "A hash has a type.");
        found.Hash = 0;
        found.HashType = 0;
        FuzzFind.Unless(MemoryMarshal.AsBytes(new ReadOnlySpan<PacketHints>(in found)).SequenceEqual(MemoryMarshal.AsBytes(new ReadOnlySpan<PacketHints>(in expected))), $"Hints are the model's.\n{Convert.ToHexString(answer.AsSpan(8))}\n{Convert.ToHexString(MemoryMarshal.AsBytes(new ReadOnlySpan<PacketHints>(in expected)))}");
        return (int)found.Present << 3;
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _program.Dispose();
        base.Dispose();
    }
}

/// <summary>A program with sanitizers that answers requests on its standard streams until one of them ends it.</summary>
internal sealed class SanitizedProgram : IDisposable
{
    private readonly Process _process;
    private readonly Task<string> _said;

    public SanitizedProgram(string name)
    {
        string path = PathOf(name);
        _process = Process.Start(new ProcessStartInfo(path) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false })!;
        _said = _process.StandardError.ReadToEndAsync();
    }

    /// <summary>Finds a program that native/fuzz/build has made.</summary>
    /// <param name="name">Its name.</param>
    /// <returns>Its path.</returns>
    /// <exception cref="FileNotFoundException">It was not made.</exception>
    public static string PathOf(string name)
    {
        string folder = Environment.GetEnvironmentVariable("TB_FUZZ_NATIVE") ?? AppContext.BaseDirectory;
        string path = Path.Combine(folder, name);
        return File.Exists(path) ? path : throw new FileNotFoundException($"{path} is missing; native/fuzz/build {folder} makes it.");
    }

    /// <summary>Sends a request and waits for its answer.</summary>
    /// <param name="request">The request.</param>
    /// <param name="size">Bytes of the answer.</param>
    /// <returns>The answer.</returns>
    /// <exception cref="FuzzFind">A sanitizer ended the program.</exception>
    public byte[] Ask(byte[] request, int size)
    {
        byte[] answer = new byte[size];
        try
        {
            _process.StandardInput.BaseStream.Write(request);
            _process.StandardInput.BaseStream.Flush();
            _process.StandardOutput.BaseStream.ReadExactly(answer);
        }
        catch (IOException)
        {
            throw new FuzzFind($"No sanitizer ends the program: {_said.GetAwaiter().GetResult()}");
        }

        return answer;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        try
        {
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // A program that a sanitizer has ended does not read what was still to come.
        }

        _process.WaitForExit(2000);
        _process.Dispose();
    }
}
