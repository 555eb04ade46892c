using System.Runtime.CompilerServices;

// Every signature in this assembly is blittable; the attribute makes the compiler hold us to it.
[assembly: DisableRuntimeMarshalling]
