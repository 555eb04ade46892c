# What the stages mean for a line of a given speed: frames on the wire with preamble, check sequence and gap; a core that does one direction.
def round1: . * 10 | round / 10 | tostring;
def up: ceil | tostring;
. as $figures
| [{wire: 84, inner: 46}, {wire: 594, inner: 556}, {wire: 1538, inner: 1500}] as $frames
| def used($side; $inner; $stage): $figures[] | select(.side == $side and .size == $inner and .stage == $stage) | .ours;
[[10, 40, 100][] as $gigabits | $frames[] | . as $frame | ["out", "in"][] as $side
    | (used($side; $frame.inner; "rest")) as $rest | (used($side; $frame.inner; "aead")) as $aead | ($frame.wire * 8 / $gigabits) as $allowed
    | {gigabits: $gigabits, frame: $frame.wire, side: $side, packets: (1e9 / $allowed), allowed: $allowed, used: ($rest + $aead), rest: $rest, aead: $aead,
       cores: (($rest + $aead) / $allowed), cores_without_cipher: ($rest / $allowed)}]
