#!/bin/sh
# interop/doctor/run.sh: the doctor against real causes. Each test makes networks of its own, with real resolvers,
# translators, proxies, servers and brokers in them. That takes root.
set -eu
cd "$(dirname "$0")/../.."

if [ "$(id -u)" -ne 0 ] || ! unshare --net --mount true 2>/dev/null; then
    exec scripts/left-out "the doctor's networks need root, and network namespaces"
fi
[ -c /dev/net/tun ] || exec scripts/left-out "there is no /dev/net/tun"

# Once, rather than by each test.
cargo build --quiet -p towpath-cli
TOWPATH=${CARGO_TARGET_DIR:-$PWD/target}/debug/towpath
export TOWPATH
# Most tests wait for a silence to end: more of them than there are cores.
NEXTEST_TEST_THREADS=${NEXTEST_TEST_THREADS:-6}
export NEXTEST_TEST_THREADS
scripts/test-workspace interop doctor
