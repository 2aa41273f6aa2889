#!/bin/sh
# Builds the bench and its C peers, then measures. `run.sh --help` lists the options.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}

# Debian package, and a file or program by which its presence shows.
missing=
need() {
    { [ -e "$2" ] || command -v "$2" >/dev/null; } || missing="$missing $1"
}
PATH=$PATH:/usr/sbin
need mosquitto mosquitto
need libmosquitto-dev /usr/include/mosquitto.h
need libpaho-mqtt-dev /usr/include/MQTTAsync.h
need valgrind valgrind
need gcc gcc
need pkg-config pkg-config
need libssl-dev /usr/include/openssl/ssl.h
need openssl openssl
need libc6-dev /usr/include/stdio.h
if [ -n "$missing" ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "missing, and only root can install it:$missing" >&2
        exit 1
    fi
    install="apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300"
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive $install $missing >&2 || {
        apt-get update -qq -o DPkg::Lock::Timeout=300 >&2
        DEBIAN_FRONTEND=noninteractive $install $missing >&2
    }
fi

CARGO_TARGET_DIR=$target cargo build --release --quiet --locked -j 2 --manifest-path "$here/Cargo.toml"

mkdir -p "$target/peers"
peer() {
    gcc -O2 -Wall -Wextra -o "$target/peers/$1" "$here/peers/$1.c" "-l$2"
}
peer libmosquitto mosquitto
peer paho paho-mqtt3a

# 1000 connections need as many descriptors, here and in the broker.
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true

BENCH_TARGET=$target exec "$target/release/towpath-bench" "$@"
