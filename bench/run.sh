#!/bin/sh
# Builds the bench and its C peers, then measures. `run.sh --help` lists the options.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}

# Of towpath alone: `--subjects towpath`.
peers=yes features=
case " $* " in *" --subjects towpath "*) peers= features=--no-default-features ;; esac

# Debian package, and a file or program by which its presence shows.
missing=
need() {
    { [ -e "$2" ] || command -v "$2" >/dev/null; } || missing="$missing $1"
}
PATH=$PATH:/usr/sbin
need mosquitto mosquitto
need valgrind valgrind
need gcc gcc
[ -z "$peers" ] || need libmosquitto-dev /usr/include/mosquitto.h
[ -z "$peers" ] || need libpaho-mqtt-dev /usr/include/MQTTAsync.h
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

# shellcheck disable=SC2086 # no word, or one
CARGO_TARGET_DIR=$target cargo build --release --quiet --locked -j 2 --manifest-path "$here/Cargo.toml" $features

peer() {
    gcc -O2 -Wall -Wextra -o "$target/peers/$1" "$here/peers/$1.c" "-l$2"
}
if [ -n "$peers" ]; then
    mkdir -p "$target/peers"
    peer libmosquitto mosquitto
    peer paho paho-mqtt3a
fi

# 1000 connections need as many descriptors, here and in the broker.
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true

BENCH_TARGET=$target exec "$target/release/towpath-bench" "$@"
