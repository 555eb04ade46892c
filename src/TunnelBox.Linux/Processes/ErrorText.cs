using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Processes;

/// <summary>The system's words for its error numbers.</summary>
public static class ErrorText
{
    /// <summary>Describes an error number.</summary>
    /// <param name="errno">The number, positive or negative.</param>
    /// <returns>The description, without a full stop.</returns>
    public static string Of(int errno) => Marshal.GetPInvokeErrorMessage(Math.Abs(errno)).TrimEnd('.');
}
