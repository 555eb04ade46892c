# Figures of stages.sh, put in the order in which a packet meets them, with their titles.
def titles: {
    "out": {"begin": "begin of a pass: epoch, clock", "receive": "frames from the inner RX ring", "route": "route, session, counters, header, padding",
        "aead": "cipher (seal)", "seal-end": "hand over to the outer port", "send": "outer frames: copy, headers, checksums, TX ring", "account": "accounts",
        "other": "the other direction, found empty", "rest": "all but the cipher", "whole": "all, without stopping the clock in between"},
    "in": {"begin": "begin of a pass: epoch, clock", "other": "the other direction, found empty", "receive": "outer frames from the RX ring: headers, checksum",
        "classify": "message type, session", "aead": "cipher (open)", "accept": "replay window, source, congestion mark", "send": "inner frames: copy, header, TX ring",
        "account": "accounts", "rest": "all but the cipher"},
    "buffers": {"queue": "get 64 frames of a queue and take 64 back from its completion ring", "stack": "the same with Stack<ulong>, one by one",
        "arraypool": "the same with ArrayPool<byte>.Shared"}};
map(. as $figure | ($figure.name | split("-")) as $part | if $part[0] == "buffers"
    then {key: [1, 0, (titles.buffers | keys_unsorted | index($part[1]))], size: null, side: "buffers", stage: $part[1], title: titles.buffers[$part[1]]}
    else ($part[3:] | join("-")) as $stage | {key: [0, ($part[2] | tonumber), (["out", "in"] | index($part[1])), (titles[$part[1]] | keys_unsorted | index($stage))],
        size: ($part[2] | tonumber), side: $part[1], stage: $stage, title: titles[$part[1]][$stage]} end
    | $figure + {title, size, side, stage, key, wanted: (if .stage == "rest" and .size == 46 then "<= 67" elif .stage == "queue" then "<= 5" else "" end)})
| sort_by(.key) | map(del(.key))
