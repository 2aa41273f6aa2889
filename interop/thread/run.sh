#!/bin/sh
# interop/thread/run.sh: builds OpenThread, and runs this package on it. Takes root, for namespaces and /dev/net/tun.
set -eu
cd "$(dirname "$0")"

unshare --net --mount true 2>/dev/null ||
    exec ../../scripts/left-out "no network namespace can be made here: be root"
[ -c /dev/net/tun ] || exec ../../scripts/left-out "there is no /dev/net/tun"

target=${CARGO_TARGET_DIR:-$(cd ../.. && pwd)/target}
OPENTHREAD=$target/openthread
export OPENTHREAD
./build.sh "$OPENTHREAD"
cargo build --quiet -p thread
cargo build --quiet --manifest-path ../../Cargo.toml -p towpath-cli
TOWPATH=$target/debug/towpath
export TOWPATH
# What hangs is ended; the namespaces and what runs in them end with the program.
exec timeout 240 "$target/debug/thread"
