#!/bin/sh
# Builds the device and its hub, installs the official SDKs, then measures. `device.sh --help` lists the options.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}

if [ "$(id -u)" -ne 0 ] || ! unshare --net --mount true 2>/dev/null; then
    echo "the networks of hub and device need root, and network namespaces" >&2
    exit 1
fi
if [ ! -c /dev/net/tun ]; then
    echo "the link needs /dev/net/tun" >&2
    exit 1
fi
"$root/scripts/need" build-essential libssl-dev pkg-config cmake libclang-dev iproute2
CARGO_TARGET_DIR=$target cargo build --release --quiet --locked -j 2 \
    --manifest-path "$here/Cargo.toml" -p towpath-bench-device

if "$root/interop/azure/run.sh" --install; then
    export SDKS="$target/interop-azure" SDK_SCRIPTS="$here/device/sdk" PYTHONDONTWRITEBYTECODE=1
fi
exec "$target/release/towpath-bench-device" "$@"
