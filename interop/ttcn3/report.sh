# shellcheck shell=bash disable=SC2154
# The verdicts as a table (Markdown), as JUnit, and in short.

# known TARGET CASE: why a failure of this case there is expected; nothing where it is not.
known() { awk -F ' *[|] *' -v target="$1" -v name="$2" '!/^#/ && $1 == target && $2 == name { print $3 }' "$here/known-differences"; }

write_report() {
    local target number module name group reference title verdict seconds reason why bad=0 all=0 passed=0 retried=0 explained=0 cell
    local xml=$repository/out/$report.xml page=$repository/out/$report.md footnotes=''
    mkdir -p "$repository/out"
    {
        printf '# Conformance to WireGuard\n\n| case | checks | by |'
        printf ' %s |' "${targets[@]}"
        printf '\n|---|---|---|'
        printf '%s' "$(printf -- '---|%.0s' "${targets[@]}")"
        printf '\n'
    } >"$page.new"
    printf '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n' >"$xml.new"
    for target in "${targets[@]}"; do
        : >"$work/$target.xml"
    done
    while IFS=$'\t' read -r number module name group reference title; do
        printf '| %s | %s | %s |' "${name#TC_}" "$title" "$reference" >>"$page.new"
        for target in "${targets[@]}"; do
            all=$((all + 1)) verdict='' seconds=0 reason=''
            if [[ -r $work/$target/$name.result ]]; then
                IFS=$'\t' read -r _ verdict seconds reason <"$work/$target/$name.result"
            else
                verdict=error reason='it was not run: the target did not start'
            fi
            why=$(known "$target" "$name")
            printf '  <testcase classname="%s.%s" name="%s" time="%s">' "$target" "$module" "$name" "$seconds" >>"$work/$target.xml"
            if [[ $verdict == pass ]]; then
                passed=$((passed + 1)) cell=pass
                if [[ -r $work/$target/$name.first ]]; then
                    retried=$((retried + 1)) cell='pass (2)'
                    footnotes+="- $target, ${name#TC_}: passed at the second try; the first: $(cut -f 4 "$work/$target/$name.first")"$'\n'
                    printf '<system-out>%s</system-out>' "$(escaped "the first try: $(cut -f 4 "$work/$target/$name.first")")" >>"$work/$target.xml"
                    note "at the second try: $target $name: $(cut -f 4 "$work/$target/$name.first")"
                fi
                # A difference that is gone must leave the list, or it would hide the next one.
                if [[ -n $why && $why != sometimes:* ]]; then
                    bad=$((bad + 1)) cell='**passes, though known to differ**'
                    printf '<failure message="it passes, though known-differences says it does not"/>' >>"$work/$target.xml"
                    note "$target $name passes, though known-differences says: $why"
                fi
            elif [[ -n $why ]]; then
                explained=$((explained + 1)) cell='differs'
                footnotes+="- $target, ${name#TC_}: $why ($reason)"$'\n'
                printf '<system-out>%s</system-out>' "$(escaped "differs, as known: $why")" >>"$work/$target.xml"
            else
                bad=$((bad + 1)) cell="**$verdict**"
                footnotes+="- $target, ${name#TC_}: **$verdict**: $reason"$'\n'
                printf '<failure message="%s"/>' "$(escaped "$reason")" >>"$work/$target.xml"
                note "FAILED: $target $name: $reason"
            fi
            printf '</testcase>\n' >>"$work/$target.xml"
            printf ' %s |' "$cell" >>"$page.new"
        done
        printf '\n' >>"$page.new"
    done < <(chosen quick wait long load longload)
    for target in "${targets[@]}"; do
        printf '<testsuite name="%s" tests="%s" failures="%s">\n' "$target" "$(grep -c '<testcase' "$work/$target.xml")" "$(grep -c '<failure' "$work/$target.xml")" >>"$xml.new"
        cat "$work/$target.xml" >>"$xml.new"
        printf '</testsuite>\n' >>"$xml.new"
    done
    printf '</testsuites>\n' >>"$xml.new"
    [[ -z $left_out ]] || { footnotes+="- $left_out"$'\n' && note "$left_out"; }
    printf '\n%s\n%d verdicts: %d passed, %d of them at the second try, %d differ as known, %d failed.\n' "$footnotes" "$all" "$passed" "$retried" "$explained" "$bad" >>"$page.new"
    mv "$page.new" "$page"
    mv "$xml.new" "$xml"
    ((all > 0)) || fail 'no case was chosen'
    note "$all verdicts: $passed passed ($retried at the second try), $explained differ as known, $bad failed (out/$report.md, out/$report.xml)"
    ((bad == 0))
}

escaped() { sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; s/"/\&quot;/g' <<<"$1"; }
