#!/bin/sh
# interop/device/run.sh: the device of towpath at a hub of the lab, in networks of its own, with squid, Apache and NAT64
# on the way. That takes root.
set -eu
cd "$(dirname "$0")/../.."

if [ "$(id -u)" -ne 0 ] || ! unshare --net --mount true 2>/dev/null; then
    exec scripts/left-out "the device's networks need root, and network namespaces"
fi
[ -c /dev/net/tun ] || exec scripts/left-out "there is no /dev/net/tun"

scripts/test-workspace interop device
