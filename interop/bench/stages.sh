# shellcheck shell=bash
# The stages of a worker's pass without any kernel (tests/TunnelBox.Benchmarks/Stages), for `xdp` and `budget`. Sourced by them; needs $work and $runs.

stages_library=$repository/artifacts/bin/TunnelBox.Benchmarks/release/TunnelBox.Benchmarks.dll

# measure_stages SIZE...: bytes of the inner packets. Each run is a process of its own; figures go to $work/stages/NAME.
measure_stages() {
    local name value run
    [[ -e $stages_library ]] || fail "$stages_library is missing: run this as the user who builds"
    mkdir -p "$work/stages"
    for ((run = 1; run <= runs; run++)); do
        while read -r name value; do
            printf '%s\n' "$value" >>"$work/stages/$name"
        done < <(taskset -c "$(nproc --all | awk '{ print $1 - 1 }')" dotnet "$stages_library" stages "$@")
        step "stages, run $run of $runs  $(stages_sentence "$1")"
    done
}

stages_sentence() {
    printf 'all but the cipher, %s bytes: out %s ns, in %s ns' "$1" "$(tail -n 1 "$work/stages/stage-out-$1-rest")" "$(tail -n 1 "$work/stages/stage-in-$1-rest")"
}

# report_stages: an object a figure, in the order of the table.
report_stages() {
    local file
    for file in "$work"/stages/*; do
        jq -n --arg name "${file##*/}" --arg title "${file##*/}" --arg unit ns --arg wanted '' --slurpfile ours "$file" --argjson theirs '[]' -f interop/bench/figure.jq
    done | jq -s -f interop/bench/stages.jq
}
