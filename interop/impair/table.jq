# The result of a soak for people.
def row($cells): $cells | map(tostring) | "| " + join(" | ") + " |";
def pairs: to_entries | map("\(.key) \(.value)") | join(", ");
"", row(["datagrams outside", "\(.directions[0].from) to \(.directions[0].to)", "\(.directions[1].from) to \(.directions[1].to)"]), row(["---", "---:", "---:"]),
(.directions as $d
  | def line($title; f): row([$title, ($d[0] | f), ($d[1] | f)]);
    line("sent, as the end counts"; .sent), line("met by the relay"; .relay_received), line("lost by it"; .relay.lost), line("for an address that is no more"; .relay.stale),
    line("repeated by it"; .relay.duplicated), line("held back by it"; .relay.reordered), line("damaged by it"; .relay.corrupted),
    line("for an end that was down"; .no_port), line("without room at the socket"; .no_room), line("arrived, as the end counts past its XDP program"; .arrived),
    line("dropped there, by reason"; .reasons_in | pairs), line("dropped where they were sent, by reason"; .reasons_out | pairs),
    line("handshake messages and keepalives"; .own_messages), line("delivered inside"; .delivered),
    line("unexplained: sending, relay, arriving"; .unexplained | if . then "\(.sending), \(.relay), \(.arriving)" else "-" end), line("of these kills may hide"; .unseen | "\(.sending), \(.arriving)"),
    line("numbered datagrams: sent, arrived, missing"; .datagrams | "\(.sent), \(.unique), \(.lost)"),
    line("missing ones: relay, damaged, ends"; .datagrams | "\(.relay), \(.damaged), \(.ends)"), line("not sent while the interface was away"; .datagrams.refused)),
"", row(["end", "twice", "wrong bytes", "streams whole", "cut", "memory MB", "slope KiB/h", "growth KiB", "descriptors", "processor"]), row(["---", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:"]),
(.traffic as $t | .memory[] | . as $m | $t[.end] | row([$m.end, .repeated, .damaged + .stream_damaged, .streams, .stream_failed, ($m.kilobytes / 1024 | round), ($m.slope_per_hour // "-"), $m.growth,
    "\($m.descriptors) (+\($m.more_descriptors))", "\($m.processor * 1000 | round / 10) %"])),
"", row(["event", "number", "whole again: median", "longest", "longest without a lost handshake message"]), row(["---", "---:", "---:", "---:", "---:"]),
(.events | group_by(.event)[] | row([.[0].event, length, (map(.seconds) | sort | .[length / 2 | floor]), (map(.seconds) | max), (map(select(.handshakes_taken == 0).seconds) | max // "-")])),
"", (.frames | to_entries[] | select(.value) | "Frames of end \(.key): \(.value.total.last), away at most \(.value.away_most), at the end \(.value.away_last)."), ""
