# When traffic was whole again after each event, in both directions: the first moment from which four fifths of what was sent within a second arrived
# within that second. Reads relay.log, events, traffic-one.log and traffic-two.log; writes a line of JSON an event. Times are milliseconds.
FILENAME ~ /relay\.log$/ {
    if ($1 == "handshake") {
        handshakes++
        handshake_at[handshakes] = $5 * 1000
    }
    next
}

FILENAME ~ /events$/ {
    events++
    what[events] = $1
    end[events] = $2
    began[events] = $3
    down[events] = $4
    next
}

$1 == "at" {
    bin = int($2 / 100)
    from = FILENAME ~ /traffic-one/ ? 1 : 2
    sent[from, bin] += $3
    arrived[from, bin] += $4
    streamed[from, bin] += $5
    last[from] = bin
}

# The share that arrived at `to` within the second that begins at bin, of what the other sent; nothing sent counts as nothing arrived.
function share(to, bin, i, a, s) {
    for (i = 0; i < 10; i++) {
        a += arrived[to, bin + i]
        s += sent[3 - to, bin + i]
    }
    return s > pace / 2 ? a / s : 0
}

END {
    for (e = 1; e <= events; e++) {
        first = int(began[e] / 100) + 1
        latest = last[1] < last[2] ? last[1] : last[2]
        for (to = 1; to <= 2; to++) {
            for (bin = first; bin <= latest - 10 && share(to, bin) < 0.76; bin++) { }
            seconds[to] = bin > latest - 10 ? -1 : bin == first ? 0 : (bin * 100 - began[e]) / 1000
        }
        worst = seconds[1] < 0 || seconds[2] < 0 ? -1 : seconds[1] > seconds[2] ? seconds[1] : seconds[2]
        # Handshake messages that the relay took away meanwhile: an end tries again after 5 s and up to a third of one more.
        taken = 0
        until = worst < 0 ? began[e] + 1e6 : began[e] + worst * 1000
        for (h = 1; h <= handshakes; h++) {
            taken += handshake_at[h] >= began[e] - down[e] && handshake_at[h] <= until
        }
        printf "{\"event\":\"%s\",\"end\":\"%s\",\"at\":%.3f,\"down\":%.3f,\"one\":%.3f,\"two\":%.3f,\"seconds\":%.3f,\"handshakes_taken\":%d,\"allowed\":%.3f}\n", \
            what[e], end[e], began[e] / 1000, down[e] / 1000, seconds[1], seconds[2], worst, taken, 2 + taken * 5.4
    }
}
