# Every command a contributor needs; CI (.ci/run) runs the same ones.
# A stage that this machine or this tree can't run says "left out: <stage>: <why>"; nothing is skipped silently.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test unit doctest interop mqtt tls net proxy azure device doctor page tls-device tokens ws embassy nostd size bench bench-smoke lint fmt clippy doc deny fuzz test-thread test-firmware c boards demo-firmware

# Debian keeps mosquitto in sbin, which an ordinary user's PATH lacks.
export PATH := $(PATH):/usr/sbin

STAGE := scripts/stage
# $(call if-there,PATH,COMMAND): the command, or a stage left out by name.
if-there = $(if $(wildcard $1),$2,scripts/left-out "$1 is not in this tree")

# fuzz, interop and bench are workspaces of their own, so that their dependencies stay out of the main lock file.
SIDE_WORKSPACES := $(patsubst %/Cargo.toml,%,$(wildcard fuzz/Cargo.toml interop/Cargo.toml bench/Cargo.toml))

# Each board is one too. Their targets are not those of this machine, so only what needs no compiler is done for all.
BOARDS := $(patsubst %/Cargo.toml,%,$(wildcard firmware/*/Cargo.toml))

# What building with both TLS libraries needs: OpenSSL's headers; for Mbed TLS cmake and libclang.
BUILD_NEEDS := build-essential libssl-dev pkg-config cmake libclang-dev python3
# What interop/thread builds OpenThread with, and runs beside it.
THREAD_NEEDS := cmake ninja-build mosquitto openssl unbound nftables iproute2
# The servers that interop/tls runs.
TLS_PEERS := apache2-bin nginx-light libnginx-mod-stream mosquitto openssl gnutls-bin iproute2
# The network that interop/net makes.
NET_PEERS := tayga unbound radvd mosquitto openssl iproute2 nftables
# The proxies that interop/proxy runs, and what is behind them.
PROXY_PEERS := squid dante-server mosquitto unbound openssl iproute2 nftables
# What interop/azure runs beside the SDKs, which it installs itself if there are pip and npm.
AZURE_PEERS := python3-venv mosquitto-clients openssl curl iproute2

# What stands between the device of interop/device and the lab.
DEVICE_PEERS := tayga unbound squid apache2-bin mosquitto openssl iproute2 nftables
# What interop/doctor breaks, one at a time.
DOCTOR_PEERS := tayga unbound radvd squid dante-server apache2-bin nginx-light mosquitto openssl gnutls-bin faketime iproute2 nftables

# What builds the boards' applications, and what they run in and against.
FIRMWARE_NEEDS := qemu-system-arm binutils-arm-none-eabi gcc-arm-none-eabi libnewlib-arm-none-eabi mosquitto apache2-bin openssl iproute2 tayga unbound radvd nftables

# Tokens without hardware.
TOKENS := softhsm2 libengine-pkcs11-openssl swtpm swtpm-tools tpm2-tools tpm2-openssl

FUZZ_SECONDS ?= 10
# A comma inside an argument of $(call).
comma := ,

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Messages through a local Mosquitto and through the lab, rung by rung; then faults on switches
	@scripts/need $(BUILD_NEEDS)
	@scripts/demo
demo-firmware: ## An emulated Cortex-M33 is provisioned and works with the lab's IoT hub, by 8883 and by 443
	@scripts/need $(BUILD_NEEDS)
	@scripts/demo-firmware

test: unit doctest mqtt tls net proxy azure device doctor page tls-device tokens ws embassy nostd ## All tests: the stages below
unit: ## Unit and integration tests of the workspace
	@scripts/need $(BUILD_NEEDS) mosquitto openssl
	@$(STAGE) unit scripts/test-workspace
doctest: ## The examples in the documentation
	@scripts/need $(BUILD_NEEDS)
	@$(STAGE) doctest cargo test --workspace --doc
mqtt: ## Against mosquitto, killed and restarted too, and against servers that are no brokers (interop/mqtt)
	@$(if $(wildcard interop/mqtt),scripts/need $(BUILD_NEEDS) mosquitto openssl,:)
	@$(STAGE) mqtt $(call if-there,interop/mqtt,scripts/test-workspace interop mqtt)
tls: ## TLS against Apache, nginx, mosquitto, OpenSSL and GnuTLS, in network namespaces (interop/tls)
	@$(if $(wildcard interop/tls),scripts/need $(BUILD_NEEDS) $(TLS_PEERS),:)
	@$(STAGE) tls $(call if-there,interop/tls/run.sh,interop/tls/run.sh)
net: ## From a device with IPv6 only to a broker with IPv4 only, through a NAT64 in network namespaces (interop/net)
	@$(if $(wildcard interop/net),scripts/need $(BUILD_NEEDS) $(NET_PEERS),:)
	@$(STAGE) net $(call if-there,interop/net/run.sh,interop/net/run.sh)
proxy: ## Through squid and Dante, and servers that are no proxies, in network namespaces (interop/proxy)
	@$(if $(wildcard interop/proxy),scripts/need $(BUILD_NEEDS) $(PROXY_PEERS),:)
	@$(STAGE) proxy $(call if-there,interop/proxy/run.sh,interop/proxy/run.sh)
azure: ## The official Azure SDKs for Python and Node, paho, mosquitto and curl against towpath lab (interop/azure)
	@$(if $(wildcard interop/azure/run.sh),scripts/need $(BUILD_NEEDS) $(AZURE_PEERS),:)
	@$(STAGE) azure $(call if-there,interop/azure/run.sh,interop/azure/run.sh)
device: ## The device of towpath at the lab: each credential by each way, through squid, Apache and NAT64 (interop/device)
	@$(if $(wildcard interop/device/run.sh),scripts/need $(BUILD_NEEDS) $(DEVICE_PEERS),:)
	@$(STAGE) device $(call if-there,interop/device/run.sh,interop/device/run.sh)
doctor: ## towpath doctor at real causes, each finding by a set-up of its own, and at healthy paths (interop/doctor)
	@$(if $(wildcard interop/doctor/run.sh),scripts/need $(BUILD_NEEDS) $(DOCTOR_PEERS),:)
	@$(STAGE) doctor $(call if-there,interop/doctor/run.sh,interop/doctor/run.sh)
page: ## The lab's page in a headless Chromium, with a device behind it (interop/lab)
	@$(if $(wildcard interop/lab/run.sh),scripts/need $(BUILD_NEEDS) chromium chromium-driver,:)
	@$(STAGE) page $(call if-there,interop/lab/run.sh,interop/lab/run.sh)
tls-device: ## Mbed TLS with a device's limits: its own errors, its heap
	@scripts/need $(BUILD_NEEDS) openssl
	@$(STAGE) tls-device scripts/test-mbed-device
tokens: ## Client keys that stay in a PKCS#11 token or a TPM: SoftHSM and swtpm
	@scripts/need $(BUILD_NEEDS) $(TOKENS)
	@$(STAGE) tokens scripts/test-tokens
ws: ## The WebSocket client against a third-party conformance suite
	@$(if $(wildcard interop/websocket/run.sh),scripts/need $(BUILD_NEEDS) python3-venv,:)
	@$(STAGE) ws $(call if-there,interop/websocket/run.sh,interop/websocket/run.sh)
test-thread: ## From a device on a real Thread network of OpenThread nodes; builds them (interop/thread)
	@$(if $(wildcard interop/thread),scripts/need $(BUILD_NEEDS) $(THREAD_NEEDS),:)
	@$(STAGE) thread $(call if-there,interop/thread/run.sh,interop/thread/run.sh)
test-firmware: ## The applications of firmware/ on an emulated Cortex-M33 against Mosquitto, Apache, the lab and NAT64 (interop/firmware)
	@$(if $(wildcard interop/firmware),scripts/need $(BUILD_NEEDS) $(FIRMWARE_NEEDS),:)
	@$(STAGE) firmware $(call if-there,interop/firmware/run.sh,interop/firmware/run.sh)
	@$(STAGE) firmware-net $(call if-there,interop/firmware/run.sh,interop/firmware/run.sh nat64)
	@$(MAKE) --no-print-directory c boards size-quick
c: ## The C face: its header, its example and the Zephyr glue at a real broker; all for a Cortex-M33 too (interop/c)
	@$(if $(wildcard interop/c),scripts/need $(BUILD_NEEDS) gcc-arm-none-eabi libnewlib-arm-none-eabi mosquitto valgrind,:)
	@$(STAGE) c $(call if-there,interop/c/run.sh,interop/c/run.sh)
boards: ## Applications for real chips, which are built and not run: nRF5340, nRF52840 with Thread, ESP32-C6 (firmware/)
	@$(STAGE) boards $(call if-there,firmware/nrf5340,scripts/build-boards)
interop: mqtt tls net proxy azure device doctor page ws embassy ## All that run against programs of others
embassy: ## The embedded face on embassy-net's sockets, two of its stacks back to back (interop/embassy)
	@$(STAGE) embassy $(call if-there,interop/embassy,scripts/test-workspace interop embassy)
nostd: ## For a Cortex-M33: towpath-proto and towpath's embedded face with neither std nor alloc; Mbed TLS with TLS 1.3
	@$(STAGE) nostd scripts/build-nostd

size: ## Flash and RAM of each layer on a Cortex-M33 against docs/size.md, and no panic left in the protocol code
	@$(STAGE) size scripts/size --check
size-quick: ## The part of it that CI does: MQTT and WebSocket, their panics, the applications that are built
	@$(STAGE) size scripts/size --check --quick

bench: ## All benchmarks
	@$(if $(wildcard bench/run.sh),scripts/need $(BUILD_NEEDS),:)
	@$(STAGE) bench $(call if-there,bench/run.sh,bench/run.sh)
bench-smoke: ## The benchmarks that have limits: instructions and round trips, of towpath alone
	@$(if $(wildcard bench/run.sh),scripts/need $(BUILD_NEEDS),:)
	@$(STAGE) bench-smoke $(call if-there,bench/run.sh,bench/run.sh --quick --only codec$(comma)ws/$(comma)ir/$(comma)connect --subjects towpath --check bench/targets.toml)

lint: fmt clippy doc deny ## Format, clippy, documentation, licences; no warning passes
fmt: ## Formatting of every workspace
	@$(STAGE) fmt scripts/each-workspace $(SIDE_WORKSPACES) $(BOARDS) -- cargo fmt --all --check
clippy: ## clippy on every target of every workspace
	@scripts/need $(BUILD_NEEDS)
	@$(STAGE) clippy scripts/clippy $(SIDE_WORKSPACES)
doc: ## The documentation builds, private items too, and every link leads somewhere
	@scripts/need $(BUILD_NEEDS)
	@RUSTDOCFLAGS="-D warnings" $(STAGE) doc scripts/doc
deny: ## Licences, duplicate versions and sources of all dependencies
	@$(STAGE) deny scripts/deny

fuzz: ## Every fuzz target for FUZZ_SECONDS (10)
	@$(STAGE) fuzz scripts/fuzz $(FUZZ_SECONDS)
