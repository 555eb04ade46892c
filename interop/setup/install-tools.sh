#!/usr/bin/env bash
# Installs what is missing on Debian 12 for: build, demo, test, bench, crypto, vm, conformance, image, impair (default: test). Asks nothing; quick when all is there.
# shellcheck source=../../.ci/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../.ci/lib.sh"

# COMMAND-OR-FILE:PACKAGE, by use. What stands in several uses is installed once.
build_tools=(/usr/lib/x86_64-linux-gnu/libsodium.so.23:libsodium23)
vm_tools=("${build_tools[@]}" qemu-with-igb:qemu-system-x86 busybox-static:busybox-static cpio:cpio xz:xz-utils mmdebstrap:mmdebstrap setpriv:util-linux ip:iproute2 ethtool:ethtool
    wg:wireguard-tools /usr/lib/x86_64-linux-gnu/libbpf.so.1:libbpf1 /usr/lib/x86_64-linux-gnu/libssl.so.3:libssl3)
conformance_tools=("${vm_tools[@]}" compiler:eclipse-titan /usr/include/titan/TTCN3.hh:eclipse-titan g++:g++ make:make
    /usr/include/sodium.h:libsodium-dev ping:iputils-ping)
demo_tools=("${build_tools[@]}" ip:iproute2 ping:iputils-ping iperf3:iperf3 ps:procps)
image_tools=("${build_tools[@]}" gcc:gcc /usr/include/x86_64-linux-gnu/sys/cdefs.h:libc6-dev /usr/include/linux/landlock.h:linux-libc-dev buildah:buildah podman:podman
    runc:runc jq:jq setcap:libcap2-bin /etc/ssl/certs/ca-certificates.crt:ca-certificates /usr/lib/x86_64-linux-gnu/libbpf.so.1:libbpf1
    /usr/lib/x86_64-linux-gnu/libpcap.so.0.8:libpcap0.8 /usr/lib/x86_64-linux-gnu/libssl.so.3:libssl3)
bench_tools=("${demo_tools[@]}" wg:wireguard-tools jq:jq curl:curl /etc/ssl/certs/ca-certificates.crt:ca-certificates tcpdump:tcpdump zstd:zstd)
test_tools=("${bench_tools[@]}" "${conformance_tools[@]}" "${image_tools[@]}" wg-quick:wireguard-tools wireguard-go:wireguard-go nft:nftables iptables:iptables
    tshark:tshark script:bsdutils /usr/lib/x86_64-linux-gnu/libpcap.so.0.8:libpcap0.8 clang:clang gcc:gcc /usr/include/x86_64-linux-gnu/sys/cdefs.h:libc6-dev
    /usr/include/linux/if_tun.h:linux-libc-dev openssl:openssl socat:socat strace:strace ethtool:ethtool
    conntrack:conntrack systemd-analyze:systemd bpftrace:bpftrace perf:linux-perf
    /usr/include/x86_64-linux-gnu/sys/sdt.h:systemtap-sdt-dev zsh:zsh fish:fish mandoc:mandoc zbarimg:zbar-tools
    /usr/lib/x86_64-linux-gnu/libbpf.so.1:libbpf1 /usr/include/bpf/bpf_helpers.h:libbpf-dev llvm-strip:llvm promtool:prometheus
    faketime:faketime)
xdp_tools=(clang:clang llvm-strip:llvm /usr/lib/x86_64-linux-gnu/libbpf.so.1:libbpf1 /usr/include/bpf/bpf_helpers.h:libbpf-dev
    /usr/include/x86_64-linux-gnu/sys/cdefs.h:libc6-dev taskset:util-linux)
impair_tools=("${build_tools[@]}" ip:iproute2 wg:wireguard-tools jq:jq awk:mawk gcc:gcc /usr/include/x86_64-linux-gnu/sys/cdefs.h:libc6-dev
    /usr/lib/x86_64-linux-gnu/libbpf.so.1:libbpf1)
crypto_tools=("${build_tools[@]}" gcc:gcc /usr/include/x86_64-linux-gnu/sys/cdefs.h:libc6-dev jq:jq /usr/include/intel-ipsec-mb.h:libipsec-mb-dev
    /usr/include/openssl/evp.h:libssl-dev /usr/include/sodium.h:libsodium-dev taskset:util-linux)

# The multiarch folder names the architecture; elsewhere than on amd64 the files above lie in its own.
multiarch=$(ls -d /usr/lib/*-linux-gnu 2>/dev/null | head -n 1 || true)
multiarch=${multiarch##*/}

present() {
    local what=${1/x86_64-linux-gnu/${multiarch:-x86_64-linux-gnu}}
    if [[ $what == /* ]]; then
        [[ -e $what ]]
    elif [[ $what == qemu-with-igb ]]; then
        # Since QEMU 8.0.
        [[ $(qemu-system-x86_64 -device help 2>/dev/null) == *'"igb"'* ]]
    elif [[ $what == busybox-static ]]; then
        # The other busybox has the same name and needs libraries.
        command -v busybox >/dev/null && ! ldd "$(command -v busybox)" >/dev/null 2>&1
    else
        # Administrators' programs are not on everybody's path.
        PATH=$PATH:/usr/sbin:/sbin command -v "$what" >/dev/null
    fi
}

missing=()
for use in "${@:-test}"; do
    list="${use}_tools[@]"
    [[ -v ${use}_tools ]] || fail "there is no set of tools named $use: name build, demo, test, bench, crypto, vm, conformance, image or impair"
    for entry in "${!list}"; do
        present "${entry%%:*}" || missing+=("${entry##*:}")
    done
done
need_sdk
if ((${#missing[@]} == 0)); then
    exit 0
fi
mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)

[[ -r /etc/debian_version ]] && command -v apt-get >/dev/null ||
    fail "these packages are missing and this is not a Debian system: install ${missing[*]} by hand"
printf 'Installing %s\n' "${missing[*]}"
apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o Dpkg::Use-Pty=0)
# apt checks each package against the SHA256 in its signed index; a source that cannot be refreshed only matters if a package is then missing.
as_root "${apt[@]}" update | sed -n 's/^\(Get\|Err\|Fetched\)/      &/p' || note "one package source could not be refreshed; going on"
if [[ " ${missing[*]} " == *' qemu-system-x86 '* && $(. /etc/os-release && printf %s "${VERSION_CODENAME:-}") == bookworm ]]; then
    # Debian 12's own has no igb. Its backports are a source for this one call; the machine's sources stay as they are.
    sources=$(mktemp -d)
    trap 'rm -rf "$sources"' EXIT
    chmod 755 "$sources"
    cp -r /etc/apt/sources.list.d/. "$sources/" 2>/dev/null || true
    printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s bookworm-backports main\n' \
        "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$sources/tunnelbox-backports.list"
    backports=("${apt[@]}" -o "Dir::Etc::sourceparts=$sources")
    as_root "${backports[@]}" update | sed -n 's/^\(Get\|Err\|Fetched\)/      &/p' || note "one package source could not be refreshed; going on"
    as_root "${backports[@]}" -t bookworm-backports install --no-install-recommends qemu-system-x86 |
        sed -n 's/^\(Fetched\|Setting up\|E:\)/      &/p' || fail "apt could not install qemu-system-x86 of bookworm-backports: see its message above"
fi
as_root "${apt[@]}" install --no-install-recommends "${missing[@]}" |
    sed -n 's/^\(Fetched\|Setting up\|E:\)/      &/p' || fail "apt could not install ${missing[*]}: see its message above"
