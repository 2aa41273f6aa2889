#!/bin/sh
# interop/thread/build.sh FOLDER: builds OpenThread's ot-daemon, ot-ctl and ot-rcp in FOLDER, unless they are there.
#
# The sources are those inside the crate openthread-sys, which is fetched and not compiled. Without optimisation: the
# programs wait for the radio, and building them is what takes time.
set -eu
cd "$(dirname "$0")"
mkdir -p "$1"
to=$(cd "$1" && pwd)
here=$PWD

manifest=$(cd sources && cargo metadata --format-version 1 --locked --quiet |
    grep -o '"manifest_path":"[^"]*/openthread-sys-[^"]*"' | cut -d '"' -f 4)
sources=$(dirname "$manifest")/openthread
[ -f "$sources/CMakeLists.txt" ] || { echo "no OpenThread in ${manifest:-the crates}" >&2; exit 1; }

# A build of other sources or of other settings is made anew.
state=$(echo "$sources" | cat - build.sh openthread.cmake | cksum)
[ "$(cat "$to/built" 2>/dev/null)" != "$state" ] || exit 0
rm -rf "$to/posix" "$to/simulation" "$to/built"

# make_in NAME TARGETS OPTION...
make_in() {
    folder=$to/$1
    targets=$2
    shift 2
    cmake -GNinja -S "$sources" -B "$folder" -DCMAKE_PROJECT_openthread_INCLUDE="$here/openthread.cmake" \
        -DBUILD_TESTING=OFF -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS="-O0 -w" -DCMAKE_CXX_FLAGS="-O0 -w" \
        -DOT_COMPILE_WARNING_AS_ERROR=OFF -DOT_MTD=OFF "$@" >"$to/log" 2>&1 || { cat "$to/log" >&2; exit 1; }
    # shellcheck disable=SC2086 # one word per target
    ninja -C "$folder" -j 2 $targets >"$to/log" 2>&1 || { tail -n 40 "$to/log" >&2; exit 1; }
}

make_in simulation ot-rcp -DOT_PLATFORM=simulation -DOT_FTD=OFF -DOT_RCP=ON -DOT_APP_CLI=OFF
# OpenThread's own TCP would answer RST to the segments of the kernel's sockets.
make_in posix "ot-daemon ot-ctl" -DOT_PLATFORM=posix -DOT_DAEMON=ON -DOT_FTD=ON -DOT_RCP=OFF -DOT_TCP=OFF \
    -DOT_DNS_CLIENT=ON -DOT_SRP_CLIENT=ON -DOT_SRP_SERVER=ON -DOT_DNSSD_SERVER=ON -DOT_DNS_UPSTREAM_QUERY=ON \
    -DOT_BORDER_ROUTER=ON -DOT_BORDER_ROUTING=ON -DOT_NAT64_BORDER_ROUTING=ON -DOT_NAT64_TRANSLATOR=ON \
    -DOT_ECDSA=ON -DOT_SLAAC=ON -DOT_NETDATA_PUBLISHER=ON -DOT_SERVICE=ON -DOT_PLATFORM_NETIF=ON -DOT_PLATFORM_UDP=ON \
    -DOT_LOG_LEVEL=INFO -DOT_LOG_LEVEL_DYNAMIC=ON -DOT_READLINE=OFF -DOT_FIREWALL=OFF
echo "$state" >"$to/built"
