# Stages as Markdown: a table a size and direction, and one of the buffers.
def digits: (. * 10 | round / 10 | tostring);
def percent: if . == null then "" else (. * 100 | round | tostring) + " %" end;
[.[] | select(.side != null)] as $all
| ($all | map(select(.side != "buffers")) | group_by([.size, .side]) | sort_by([.[0].size, (if .[0].side == "out" then 0 else 1 end)])[]
    | (map(select(.stage == "rest" or .stage == "aead") | .ours) | add) as $sum
    | "", "\(if .[0].side == "out" then "Outbound" else "Inbound" end), inner packets of \(.[0].size) bytes:", "", "| stage | ns a packet | spread | share |", "|---|--:|--:|--:|",
      (.[] | "| \(.title) | \(.ours | digits) | \(.ours_spread | percent) | \(if .stage == "whole" then "" else (.ours / $sum | percent) end) |")),
  "", "| buffers | ns a packet | spread |", "|---|--:|--:|", ($all[] | select(.side == "buffers") | "| \(.title) | \(.ours | digits) | \(.ours_spread | percent) |")
