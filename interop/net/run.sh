#!/bin/sh
# interop/net/run.sh: the tests of this package. Each makes namespaces of its own, with a translator on a TUN device in
# one of them. That takes root.
set -eu
cd "$(dirname "$0")/../.."

if [ "$(id -u)" -ne 0 ] || ! unshare --net --mount true 2>/dev/null; then
    exec scripts/left-out "the network lab needs root, and network namespaces"
fi
[ -c /dev/net/tun ] || exec scripts/left-out "there is no /dev/net/tun"

# Once, rather than by each test.
cargo build --quiet -p towpath-cli
TOWPATH=${CARGO_TARGET_DIR:-$PWD/target}/debug/towpath
export TOWPATH
scripts/test-workspace interop net
