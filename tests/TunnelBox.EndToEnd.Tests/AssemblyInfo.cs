using System.Runtime.Versioning;

[assembly: SupportedOSPlatform("linux")]
// All of it: namespaces, TUN devices and raw sockets.
[assembly: AssemblyTrait("Needs", "root")]
// One at a time: they share two cores, and figures such as loss would tell of the neighbours.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
[assembly: TestCollectionOrderer("TunnelBox.EndToEnd.Tests.LongWaiting.LongWaitsLast", "TunnelBox.EndToEnd.Tests")]
