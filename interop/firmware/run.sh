#!/usr/bin/env bash
# interop/firmware/run.sh: the applications of firmware/mps2-an505, built, and run in QEMU against Mosquitto, Apache and
# the lab. Over QEMU's own network; front ends on port 443 have a network namespace of their own.
#   interop/firmware/run.sh nat64   over a TAP device instead, in a network with IPv6 only. That takes root.
set -eu
cd "$(dirname "$0")/../.."

in_namespaces() {
    if unshare --net true 2>/dev/null; then
        "$@"
    elif unshare --map-current-user --keep-caps unshare --net true 2>/dev/null; then
        unshare --map-current-user --keep-caps "$@"
    else
        exec scripts/left-out "no network namespace can be made here: be root, or let users make namespaces"
    fi
}

# 77 says that it can't be done here; scripts/left-out has said why.
tests() {
    cd interop
    if cargo nextest --version >/dev/null 2>&1; then
        in_namespaces cargo nextest run -p firmware "$@"
    else
        in_namespaces cargo test -p firmware "$@"
    fi
}

if [ "${1:-}" = nat64 ]; then
    if [ "$(id -u)" -ne 0 ] || ! unshare --net --mount true 2>/dev/null; then
        exec scripts/left-out "the network lab needs root, and network namespaces"
    fi
    [ -c /dev/net/tun ] || exec scripts/left-out "there is no /dev/net/tun"
    scripts/build-firmware nat64
    tests --test nat64
else
    scripts/build-firmware
    # Once, rather than by each test.
    cargo build --quiet -p towpath-cli
    export TOWPATH=${CARGO_TARGET_DIR:-$PWD/target}/debug/towpath
    all=()
    for file in interop/firmware/tests/*.rs; do
        name=$(basename "$file" .rs)
        [ "$name" = nat64 ] || all+=(--test "$name")
    done
    tests "${all[@]}"
fi
