#!/bin/sh
# Fetches a pinned wireguard-go of Debian without installing it, and prints the path of its program.
# The package comes through apt from a private list of sources, so the machine's own apt configuration stays as it is.
#
# usage: fetch.sh [2022|2023|2026]
#   2022: Debian 12's 0.0.20220316; 2023 (default): bookworm-backports' 0.0.20231211;
#   2026: sid's 0.0.20260522, which names itself 0.0.20250522 and can be had until sid has a newer one
set -eu

case "${1:-2023}" in
2022)
    version='0.0.20220316-1+b4'
    sha256='7be694f9c8d990ae1da554ec6640dd97216fce6c030b7c8caaf6f7914618d023'
    suite='bookworm'
    ;;
2023)
    version='0.0.20231211-1~bpo12+1'
    sha256='8aa051985912bbc5499e4abe66389395656cf2daec02271a1ca654a277a82d33'
    suite='bookworm-backports'
    ;;
2026)
    version='0.0.20260522-1'
    sha256='12ed4b9ae95bc6b1918aa0269ec3df6e97f68f94213a4cb62411005dc8042adb'
    suite='sid'
    ;;
*)
    echo "fetch.sh: $1: no such release of wireguard-go is pinned; say 2022, 2023 or 2026." >&2
    exit 2
    ;;
esac

fail() {
    echo "fetch.sh: $1" >&2
    exit 1
}

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
cache="$root/.cache/wireguard-go"
target="$cache/$version"
program="$target/usr/bin/wireguard-go"

if [ -x "$program" ]; then
    echo "$program"
    exit 0
fi

machine=$(dpkg --print-architecture)
[ "$machine" = amd64 ] || fail "the pinned packages are for amd64, this is $machine; set the programs to compare with by hand."
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] || fail "$keyring is missing: apt-get install debian-archive-keyring."

mkdir -p "$cache"
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
mkdir -p "$work/lists/partial" "$work/archives/partial"
echo "deb [arch=amd64 signed-by=$keyring] $mirror $suite main" >"$work/sources.list"

with_sources() {
    "$@" -o "Dir::Etc::sourcelist=$work/sources.list" -o 'Dir::Etc::sourceparts=-' \
        -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work" -o 'APT::Sandbox::User=root' \
        -o 'Acquire::Retries=3' -o 'Acquire::Languages=none'
}

echo "fetching wireguard-go $version from $suite" >&2
with_sources apt-get -qq update >&2 || fail "apt could not read $mirror $suite; is the network there?"
(cd "$work" && with_sources apt-get -qq download "wireguard-go=$version" >&2) ||
    fail "$suite does not offer wireguard-go $version any more; pin the version it has, with its SHA256, in $0."

package=$(find "$work" -maxdepth 1 -name 'wireguard-go_*.deb')
echo "$sha256  $package" | sha256sum --check --status ||
    fail "$package does not have the pinned SHA256 $sha256; it was not unpacked."

dpkg -x "$package" "$work/unpacked"
# Renamed as one step: a second fetch at the same time sees the whole package or none.
mv -T "$work/unpacked" "$target" 2>/dev/null || [ -x "$program" ] || fail "could not move the unpacked package to $target."
echo "$program"
