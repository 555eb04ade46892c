using System.Runtime.Versioning;

[assembly: SupportedOSPlatform("linux")]
// All of it: namespaces, TUN devices and raw sockets.
[assembly: AssemblyTrait("Needs", "root")]
// One at a time in a process: they share two cores, and figures such as loss would tell of the neighbours. The classes that wait on clocks
// rather than work carry Load=light; the tier of CI runs them in a process of their own, beside the others.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
[assembly: TestCollectionOrderer("TunnelBox.EndToEnd.Tests.LongWaiting.LongWaitsLast", "TunnelBox.EndToEnd.Tests")]
