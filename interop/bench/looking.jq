# The figures as a Markdown table, its columns aligned.
def pad($n): tostring | . + " " * ([$n - length, 0] | max);
def padleft($n): tostring | " " * ([$n - length, 0] | max) + .;
def digits: if . >= 1000 or . <= -1000 then (round | tostring) else (. * 100 | round / 100 | tostring) end;
"| \("figure" | pad(56)) | \("value" | padleft(9)) | \("unit" | pad(9)) | \("wanted" | pad(6)) |",
"|" + "-" * 58 + "|" + "-" * 10 + ":|" + "-" * 11 + "|" + "-" * 8 + "|",
(.[] | "| \(.title | pad(56)) | \(.value | digits | padleft(9)) | \(.unit | pad(9)) | \(.wanted | pad(6)) |")
