# Reads one trx file. With mode=counts it prints "PASSED FAILED"; else the tests that failed, were skipped, or took over `slow` seconds.
# A result that is not "Passed" counts as failed: a skip is never a pass.
BEGIN { RS = "<" }

/^UnitTestResult / {
    name = attribute("testName"); outcome = attribute("outcome"); split(attribute("duration"), part, ":")
    seconds = part[1] * 3600 + part[2] * 60 + part[3]
    if (outcome == "Passed") { good++ } else { bad++ }
    if (mode == "counts") { next }
    if (outcome == "NotExecuted") { printf "      SKIPPED, which is a failure: %s\n", name }
    else if (outcome != "Passed") { printf "      FAILED: %s\n", name }
    if (seconds > slow) { printf "      %6.1f s  %s\n", seconds, name }
}

END {
    if (mode == "counts") { print good + 0, bad + 0 }
}

function attribute(key,    start, rest) {
    start = index($0, " " key "=\"")
    if (start == 0) { return "" }
    rest = substr($0, start + length(key) + 3)
    rest = substr(rest, 1, index(rest, "\"") - 1)
    gsub(/&quot;/, "\"", rest); gsub(/&lt;/, "<", rest); gsub(/&gt;/, ">", rest); gsub(/&amp;/, "\\&", rest)
    return rest
}
