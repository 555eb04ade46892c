namespace TunnelBox.Service;

/// <summary>
/// Sees when a mounted file changes: inotify(7) on the files' directories, since editors put a new file under the old name and Kubernetes swaps the symbolic
/// link <c>..data</c> under all of them at once. Events that come together are one change.
/// </summary>
public sealed class ConfigurationWatch : IDisposable
{
    /// <summary>The symbolic link that Kubernetes swaps.</summary>
    public const string SwappedLink = "..data";

    private const int Gather = 250;
    private readonly Timer _gathered;
    private readonly List<FileSystemWatcher> _watchers = [];

    private ConfigurationWatch(Action changed) => _gathered = new Timer(_ => changed(), null, Timeout.Infinite, Timeout.Infinite);

    /// <summary>Begins to watch.</summary>
    /// <param name="paths">The files.</param>
    /// <param name="changed">Told that some of them may have changed; on a thread of the pool.</param>
    /// <param name="warn">Told of a directory that cannot be watched.</param>
    /// <returns>The watch.</returns>
    public static ConfigurationWatch Start(IEnumerable<string> paths, Action changed, Action<string> warn)
    {
        ArgumentNullException.ThrowIfNull(paths);
        ArgumentNullException.ThrowIfNull(warn);
        ConfigurationWatch watch = new(changed);
        foreach (IGrouping<string, string> files in paths.Select(Path.GetFullPath).Distinct(StringComparer.Ordinal).GroupBy(path => Path.GetDirectoryName(path) ?? "/"))
        {
            try
            {
                watch.Add(files.Key, [.. files.Select(path => Path.GetFileName(path)!), SwappedLink]);
            }
            catch (Exception e) when (e is IOException or ArgumentException or UnauthorizedAccessException)
            {
                warn($"Changes of {string.Join(", ", files)} are not seen: {e.Message.TrimEnd('.')}; send SIGHUP after a change.");
            }
        }

        return watch;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _watchers.ForEach(static watcher => watcher.Dispose());
        _gathered.Dispose();
    }

    private void Add(string directory, HashSet<string> names)
    {
        FileSystemWatcher watcher = new(directory) { NotifyFilter = NotifyFilters.FileName | NotifyFilters.DirectoryName | NotifyFilters.LastWrite | NotifyFilters.Size };
        watcher.Changed += Heed;
        watcher.Created += Heed;
        watcher.Renamed += Heed;
        // Events were lost: one of them may have been ours.
        watcher.Error += (_, _) => Note();
        watcher.EnableRaisingEvents = true;
        _watchers.Add(watcher);

        void Heed(object sender, FileSystemEventArgs what)
        {
            if (what.Name is { } name && names.Contains(name))
            {
                Note();
            }
        }
    }

    private void Note()
    {
        try
        {
            _gathered.Change(Gather, Timeout.Infinite);
        }
        catch (ObjectDisposedException)
        {
            // The last event of a watch that ends.
        }
    }
}
