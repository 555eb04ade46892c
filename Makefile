# Each target is one script; `make help` lists them.
PREFIX ?= /usr/local
DESTDIR ?=
export PREFIX DESTDIR
.DEFAULT_GOAL := help
.PHONY: help build check test test-all demo conformance mutants bench bench-tunnel bench-tunnelctl bench-crypto bench-visibility bench-xdp bench-steering budget install uninstall deb format packages clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
build: ## both programs, ready to run, in out/
	@.ci/build
check: ## build, formatting and the tests that need no root (4 minutes at most)
	@.ci/test check
test: ## what CI runs: check, the tests that need root, and end to end (25 minutes on two quiet processors, ended after 30)
	@.ci/test test
test-all: ## every test there is, the installation and the demo
	@.ci/test all
demo: ## two namespaces, one tunnel between them, traffic through it, everything removed again
	@interop/demo/run
conformance: ## every case of the conformance suite on every target (about 10 minutes): out/conformance.md, out/conformance.xml
	@interop/setup/install-tools.sh conformance && interop/ttcn3/run all
mutants: ## deliberate faults in a copy of TunnelBox, each of which the conformance suite must catch: out/mutants.md
	@interop/setup/install-tools.sh conformance && interop/ttcn3/mutate
.PHONY: fuzz
fuzz: ## every fuzzer, MINUTES=n in all (1): a table and out/fuzz.json; SEED= and TARGET= repeat, INPUT= takes one input from a file
	@.ci/fuzz
.PHONY: fuzz-faults
fuzz-faults: ## deliberate faults in a copy of TunnelBox, each of which its fuzzer must find within SECONDS_EACH (60): out/fuzz-faults.md
	@.ci/fuzz-faults
bench: bench-tunnel bench-tunnelctl bench-crypto bench-visibility bench-xdp bench-steering ## every bench-* target
bench-tunnel: ## our tunnel against wireguard-go, as a table and out/bench-tunnel.json (QUICK=1: a short look)
	@interop/bench/tunnel
bench-tunnelctl: ## tunnelctl against wg and wg-quick, as a table and out/bench-tunnelctl.json (QUICK=1: a short look)
	@interop/bench/tunnelctl
bench-crypto: ## our packet cipher against libipsec-mb, OpenSSL and libsodium, as a table and out/bench-crypto.json (QUICK=1: a short look)
	@interop/crypto/bench
bench-visibility: ## what counters, traces and captures cost, tcpdump beside them, as a table and out/bench-visibility.json (QUICK=1: a short look)
	@interop/bench/visibility
bench-xdp: ## AF_XDP against UDP, a gateway against a bare forwarder, and each stage of a packet, as tables and out/bench-xdp.json (QUICK=1: a short look)
	@interop/bench/xdp
bench-steering: ## early drops under floods, handshakes and a tunnel in one, and steering rules a second, as a table and out/bench-steering.json (QUICK=1: a short look)
	@interop/bench/steering
budget: ## what the measured stages of a packet mean for lines of 10, 40 and 100 Gbit/s, as a table and out/bench-budget.json (QUICK=1: a short look)
	@interop/bench/budget
install: ## programs, completions and service unit below PREFIX (default /usr/local)
	@.ci/install
deb: ## out/tunnelbox_VERSION_ARCHITECTURE.deb, with manuals, completions and the service unit
	@.ci/deb
uninstall: ## removes exactly what install put there
	@.ci/uninstall
format: ## puts the sources into their format
	@.ci/format
packages: ## tries again to restore NSec.Cryptography and Tmds.LibC, and says what it found
	@.ci/packages
.PHONY: soak bench-load
bench: bench-load
bench-load: ## what is left of a tunnel under storms, floods, replays, fragments and 10,000 peers at once, as a table and out/bench-load.json (QUICK=1: a short look)
	@interop/bench/load
soak: ## two ends with a bad network between them, roaming, reloaded and killed for MINUTES=1: loss accounted for, memory flat, nothing replayed; as tables and out/soak.json
	@interop/impair/soak
.PHONY: image bench-appliance bench-runtime
image: ## the sidecar image, out/tunnelbox-image.tar (OCI; no daemon, no base image)
	@.ci/image
bench: bench-appliance
bench-appliance: ## the image: start to first packet, memory, stop and reload, wireguard-go beside it, as a table and out/bench-appliance.json (QUICK=1: a short look)
	@interop/bench/appliance
bench: bench-runtime
bench-runtime: ## compiled ahead against compiled at run time, and the runtime's tiers, as a table and out/bench-runtime.json (QUICK=1: a short look)
	@interop/bench/runtime
clean: ## removes what was built
	@rm -rf out artifacts
