# The result of a soak, with what is wrong in it. Of each direction: the datagrams outside, from the counts of the end that sent them to the packets that the other delivered.
def sum_of(f): map(f) | add // 0;
def classes: [.handshake, .keepalive, .data, .large];
def flow($name): [.stat.workers[].ports[] | select(.name == $name) | .packets] | add // 0;
def reasons($prefix): [.[].stat.reasons[] | select((.name | startswith($prefix)) and .packets > 0)] | group_by(.name) | map({key: .[0].name, value: sum_of(.packets)}) | from_entries;

$relay[0] as $r | $sockets[0] as $s
| ($far == "ours") as $both
| {one: ($lives | map(select(.end == "one"))), two: ($lives | map(select(.end == "two")))} as $life
| {one: $one[0], two: $two[0]} as $app
# What an end may have moved between its last count and its death: three times its mean, and the little that waits in queues.
| def unseen($which; $packets): [$life[$which][] | select(.killed != null) | (.killed / 1000 - (.stat.time | sub("\\.[0-9]+"; "") | sub("\\+00:00$"; "Z") | fromdateiso8601)
        - ((.stat.time | capture("\\.(?<f>[0-9]+)").f // "0") | "0." + . | tonumber)) | 64 + 3 * $packets / ($minutes * 60) * .] | add // 0 | ceil;
  def direction($from; $to; $way):
    ($r[$way] | classes) as $c
    | ($life[$from] | sum_of(flow("OuterSent"))) as $sent
    | ($life[$to] | sum_of(flow("OuterReceived"))) as $arrived
    | ($life[$to] | reasons("In")) as $in | ($life[$from] | reasons("Out")) as $out
    | ($c | sum_of(.received)) as $met | ($c | sum_of(.sent)) as $passed
    | ($life[$to] | sum_of(.stat.inPackets)) as $delivered
    | ($in | add // 0) as $dropped
    | ($c[0:2] | sum_of(.sent)) as $own
    | {from: $from, to: $to, sent: $sent, relay_received: $met, relay_missed: $r[$way].missed,
       relay: ($c | {lost: sum_of(.lost), stale: sum_of(.stale), mtu: sum_of(.mtu), queue: sum_of(.queue), full: sum_of(.full), refused: sum_of(.refused),
            duplicated: sum_of(.duplicated), corrupted: sum_of(.corrupted), reordered: sum_of(.reordered), sent: $passed}),
       no_port: $s[$to].no_port, no_room: $s[$to].no_room, arrived: $arrived, reasons_in: $in, reasons_out: $out, delivered: $delivered, own_messages: $own,
       # Each zero but for what kills hide; unknown where one end counts nothing.
       unexplained: (if $both | not then null else {
         sending: ($met + $r[$way].missed - $sent),
         relay: (($c | sum_of(.received + .duplicated - .lost - .mtu - .queue - .stale - .full - .refused - .sent)) - $r.held),
         # Handshake messages and keepalives are neither delivered nor dropped.
         arriving: ($passed - $s[$to].no_port - $s[$to].no_room - $delivered - $dropped | if . < 0 then . elif . > $own then . - $own else 0 end)} end),
       unseen: {sending: unseen($from; $met), arriving: unseen($to; $met)},
       datagrams: {sent: $app[$from].sent, unique: $app[$to].unique, lost: ($app[$from].sent - $app[$to].unique),
         # Of their size alone: what the relay took away, what it damaged (each of them fails its tag), and what met an end that was down or had just begun.
         relay: ($r[$way].large | .lost + .stale + .mtu + .queue + .full + .refused), damaged: $r[$way].large.corrupted,
         ends: ($s[$to].no_port + $s[$to].no_room + ($in.InNoStates // 0) + ($in.InStateExpired // 0) + ($out | add // 0)), refused: $app[$from].refused}};
  [direction("one"; "two"; "a-b"), direction("two"; "one"; "b-a")] as $ways
| def frames($all): [$all[].device.outerQueues | select(.)] | if length == 0 then null else {
        total: ([.[] | sum_of(.frames)] | {first: .[0], last: .[-1]}), away_most: ([.[] | sum_of(.away)] | max), away_last: (.[-1] | sum_of(.away)),
        scattered: (map(map(select(.free + .held + .fill + .received + .transmit + .completed + .away != .frames)) | length) | add)} end;
  {minutes: $minutes, seed: $r.seed, datagrams_per_second: $datagrams, stream_bytes_per_second: $stream, far: $far, directions: $ways, events: $recoveries, memory: $memory,
   frames: {one: frames($status_one), two: frames($status_two)}, traffic: $app}
| .faults = [
    ($app | to_entries[] | .key as $which | .value | (select(.repeated > 0) | "end \($which) was given \(.repeated) datagrams twice"),
        (select(.damaged + .stream_damaged > 0) | "end \($which) was given \(.damaged) datagrams and \(.stream_damaged) bytes of streams with wrong content"),
        (select(.foreign > 0) | "end \($which) was given \(.foreign) datagrams that nobody sent"),
        (select(.stream_failed > 0) | "\(.stream_failed) streams of end \($which) were cut"),
        (select(.streams == 0) | "no stream of end \($which) came to its end"), (select(.unique < $minutes * 60 * $datagrams * 0.5) | "end \($which) got only \(.unique) datagrams")),
    (.events[] | select(.seconds < 0 or .seconds > .allowed) | "after the event \(.event) of end \(.end) traffic was whole again after \(if .seconds < 0 then "never" else "\(.seconds) s" end); \(.allowed) s are allowed"),
    (.memory[] | select($both or .end == "one") | (select(.growth > (if $minutes < 30 then 32768 else 8192 end)) | "end \(.end) grew by \(.growth) KiB"),
        (select(.slope_per_hour != null and .slope_per_hour > 4096) | "end \(.end) grows by \(.slope_per_hour) KiB an hour"), (select(.more_descriptors > 4) | "end \(.end) has \(.more_descriptors) descriptors more than at its beginning")),
    (.frames | to_entries[] | select(.value != null) | .key as $which | .value
        | (select(.total.first != .total.last or .scattered > 0) | "the frames of end \($which) are not all accounted for: \(tojson)"), (select(.away_last > 64) | "\(.away_last) frames of end \($which) are away at rest")),
    ($ways[] | select($both) | "from \(.from) to \(.to)" as $way
        | (select(.unexplained.relay != 0) | "\(.unexplained.relay) datagrams \($way) went astray in the relay"),
          (select(.unexplained.sending < -8 or .unexplained.sending > .unseen.sending + 8) | "\(.unexplained.sending) datagrams \($way) are unexplained where they were sent; \(.unseen.sending) may be"),
          (select(.unexplained.arriving < -8 or .unexplained.arriving > .unseen.arriving + 8) | "\(.unexplained.arriving) datagrams \($way) are unexplained where they arrived; \(.unseen.arriving) may be")),
    ($ways[] | select($both) | select(.datagrams.lost > .datagrams.relay + .datagrams.damaged + .datagrams.ends + .unseen.sending + .unseen.arriving)
        | "from \(.from) to \(.to) \(.datagrams.lost) numbered datagrams are missing; relay, reasons and kills explain \(.datagrams.relay + .datagrams.damaged + .datagrams.ends + .unseen.sending + .unseen.arriving)")
  ]
