#!/bin/sh
# Builds the lab and its load, then measures. `lab.sh --help` lists the options.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}

"$here/../scripts/need" build-essential libssl-dev pkg-config
CARGO_TARGET_DIR=$target cargo build --release --quiet --locked -j 2 --manifest-path "$here/Cargo.toml" -p towpath-bench-lab

# Each device needs a descriptor here and one in the lab.
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
exec "$target/release/towpath-bench-lab" "$@"
