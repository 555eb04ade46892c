# shellcheck shell=bash
# What every script here shares. Sourced, never run.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1
# The SDK aborts without ICU unless it is told that no culture matters; a fresh machine has no ICU.
export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
# A build that ended leaves no process behind.
export MSBUILDDISABLENODEREUSE=1
# Numbers are printed and parsed with a point.
export LC_ALL=C.UTF-8

# steps N: how many numbered lines the script will print.
steps() {
    step_count=$1 step_number=0
}

# step TEXT: one numbered line of progress.
step() {
    step_number=$((${step_number:-0} + 1))
    printf '[%d/%d] %s\n' "$step_number" "${step_count:-$step_number}" "$*"
}

# note TEXT: a line of detail below a step.
note() {
    printf '      %s\n' "$*"
}

# fail TEXT: one sentence for people, and the end.
fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# as_root COMMAND...: runs it as root, by sudo where needed, with the path and the settings of this script.
as_root() {
    if ((EUID == 0)); then
        "$@"
        return
    fi
    command -v sudo >/dev/null || fail "this step needs root and there is no sudo here: run it as root"
    sudo env "PATH=$PATH" "HOME=$HOME" "LC_ALL=$LC_ALL" DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 \
        DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 "$@"
}

# need_sdk: the one thing the scripts do not install.
need_sdk() {
    command -v dotnet >/dev/null ||
        fail "the .NET SDK $(sdk_version) or later is missing: install it from https://dotnet.microsoft.com/download and put dotnet on the PATH"
    (cd "$repository" && dotnet --version >/dev/null 2>&1) ||
        fail "dotnet is here but its SDK is older than $(sdk_version): install a newer one from https://dotnet.microsoft.com/download"
}

sdk_version() {
    sed -n 's/.*"version": *"\([^"]*\)".*/\1/p' "$repository/global.json"
}
