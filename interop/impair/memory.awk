# Memory, descriptors and processor time of each end, from samples (END LIFE SECOND KILOBYTES DESCRIPTORS TICKS): a line of JSON an end. The slope is that of least squares
# with a level of its own for each life of the process, of samples from `warm` seconds after its beginning
# on, and is given only where a life was ten minutes longer than that. Growth is what goes beyond the highest of the first `settle` seconds then: between two
# collections the runtime's dead objects come and go.
{
    life = $1 " " $2
    if (!(life in start)) {
        start[life] = $3
        lives[$1]++
    }
    ticks[life] = $6
    seconds[life] = $3 - start[life]
    if ($3 - start[life] < warm) next
    if (!(life in n)) {
        level[life] = $4
        open[life] = $5
    }
    n[life]++
    t[life] += $3
    m[life] += $4
    tt[life] += $3 * $3
    tm[life] += $3 * $4
    if ($3 - start[life] < warm + settle && $4 > level[life]) level[life] = $4
    growth[$1] = $4 - level[life] > growth[$1] ? $4 - level[life] : growth[$1]
    most[$1] = $4 > most[$1] ? $4 : most[$1]
    more[$1] = $5 - open[life] > more[$1] ? $5 - open[life] : more[$1]
    descriptors[$1] = $5 > descriptors[$1] ? $5 : descriptors[$1]
}

END {
    for (life in start) {
        split(life, part, " ")
        used[part[1]] += ticks[life]
        lived[part[1]] += seconds[life]
        if (n[life] > 2) {
            up[part[1]] += tm[life] - t[life] * m[life] / n[life]
            below[part[1]] += tt[life] - t[life] * t[life] / n[life]
            watched[part[1]] += seconds[life] - warm
            longest[part[1]] = seconds[life] > longest[part[1]] ? seconds[life] : longest[part[1]]
        }
    }
    for (end in lives) {
        printf "{\"end\":\"%s\",\"lives\":%d,\"longest\":%d,\"watched\":%d,\"kilobytes\":%d,\"growth\":%d,\"slope_per_hour\":%s,\"descriptors\":%d,\"more_descriptors\":%d,\"processor\":%.4f}\n", \
            end, lives[end], longest[end], watched[end], most[end], growth[end], (longest[end] >= warm + 600 ? sprintf("%.0f", up[end] / below[end] * 3600) : "null"), descriptors[end], more[end], \
            (lived[end] > 0 ? used[end] / 100 / lived[end] : 0)
    }
}
