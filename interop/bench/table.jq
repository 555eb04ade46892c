# The figures as a Markdown table, its columns aligned.
def pad($n): tostring | . + " " * ([$n - length, 0] | max);
def padleft($n): tostring | " " * ([$n - length, 0] | max) + .;
def digits: if . == null then "—" elif . >= 1000 then (. | round | tostring | [while(length > 0; .[:-3])] | map(.[-3:]) | reverse | join(","))
    elif . >= 100 then (round | tostring) elif . >= 10 then (. * 10 | round / 10 | tostring) elif . >= 1 then (. * 100 | round / 100 | tostring)
    else (. * 1000 | round / 1000 | tostring) end;
def percent: if . == null then "" else (. * 100 | round | tostring) + " %" end;
def row($a; $u; $o; $os; $t; $ts; $r; $w): "| \($a | pad(46)) | \($u | pad(11)) | \($o | padleft(8)) | \($os | padleft(6)) | \($t | padleft(8)) | \($ts | padleft(6)) | \($r | padleft(6)) | \($w | padleft(7)) |";
row("figure"; "unit"; "ours"; "spread"; "theirs"; "spread"; "ratio"; "wanted"),
"|" + "-" * 48 + "|" + "-" * 13 + "|" + "-" * 9 + ":|" + "-" * 7 + ":|" + "-" * 9 + ":|" + "-" * 7 + ":|" + "-" * 7 + ":|" + "-" * 8 + ":|",
(.[] | row(.title; .unit; (.ours | digits); (.ours_spread | percent); (.theirs | digits); (.theirs_spread | percent);
    (if .ratio == null then "—" else (.ratio * 100 | round / 100 | tostring) + "x" end); .wanted))
