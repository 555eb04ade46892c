# One figure from the values of its runs.
def median: sort | if length == 0 then null elif length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def spread: median as $m | if length < 2 or $m == 0 then null else (max - min) / $m end;
# A run that had nothing to measure says null.
($ours | map(values)) as $ours | ($theirs | map(values)) as $theirs | ($ours | median) as $o | ($theirs | median) as $t |
{name: $name, title: $title, ours: $o, theirs: $t, ratio: (if $o != null and $t != null and $t > 0 then $o / $t else null end), unit: $unit,
 wanted: $wanted, ours_spread: ($ours | spread), theirs_spread: ($theirs | spread), ours_runs: $ours, theirs_runs: $theirs}
