namespace TunnelBox.Crypto;

/// <summary>Cryptography cannot be used: libsodium is missing, a primitive gives wrong answers, or there is no memory for keys. The message says what to do.</summary>
public sealed class CryptoUnavailableException : Exception
{
    /// <summary>Makes the exception.</summary>
    public CryptoUnavailableException()
    {
    }

    /// <summary>Makes the exception with one sentence for people.</summary>
    /// <param name="message">What is wrong and what to do.</param>
    public CryptoUnavailableException(string message)
        : base(message)
    {
    }

    /// <summary>Makes the exception with one sentence for people and its cause.</summary>
    /// <param name="message">What is wrong and what to do.</param>
    /// <param name="innerException">The cause.</param>
    public CryptoUnavailableException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
