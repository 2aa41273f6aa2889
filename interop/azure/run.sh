#!/bin/sh
# interop/azure/run.sh [--install | PYTEST ARGUMENT...]: the official SDKs and other people's clients against the lab;
# with --install they are only made ready, for bench/device.sh. They dial 8883 and 443 and the service's own names, so
# all of it runs in a network and mount namespace with names of its own; that takes root or a user namespace. What is
# installed stays in target/interop-azure. TOWPATH names another binary to test.
set -eu
cd "$(dirname "$0")"
here=$PWD
root=$PWD/../..
target=${CARGO_TARGET_DIR:-$(cd "$root" && pwd)/target}
work=$target/interop-azure

for program in python3 npm node; do
    command -v $program >/dev/null || exec "$root/scripts/left-out" "no $program here, which the SDKs need"
done
python3 -m pip --version >/dev/null 2>&1 || exec "$root/scripts/left-out" "no pip here, which installs the SDKs"
if unshare --net --mount true 2>/dev/null; then
    namespace="unshare --net --mount"
elif unshare --map-root-user --net --mount true 2>/dev/null; then
    namespace="unshare --map-root-user --net --mount"
else
    exec "$root/scripts/left-out" "no network namespace can be made here: be root, or let users make namespaces"
fi

mkdir -p "$work"
# installed NAME FILE...: the folder was made from exactly these files.
installed() {
    name=$1
    shift
    cat "$@" | cmp -s - "$work/$name.made-from"
}
made() {
    name=$1
    shift
    cat "$@" >"$work/$name.made-from"
}

python_packages() {
    installed venv requirements.txt && return
    rm -rf "$work/venv"
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install -q --disable-pip-version-check -r requirements.txt
    made venv requirements.txt
}
plain_paho() {
    installed paho requirements-paho.txt && return
    rm -rf "$work/paho"
    python3 -m pip install -q --disable-pip-version-check --target "$work/paho" -r requirements-paho.txt
    made paho requirements-paho.txt
}
node_packages() {
    installed node package.json package-lock.json && return
    cp package.json package-lock.json "$work"
    # No package of these needs its install script.
    (cd "$work" && npm ci --silent --ignore-scripts --no-audit --no-fund)
    made node package.json package-lock.json
}
node_packages &
node_job=$!
python_packages
plain_paho
if [ "${1:-}" = --install ]; then
    wait $node_job
    exit
fi
if [ -z "${TOWPATH:-}" ]; then
    (cd "$root" && cargo build --quiet -p towpath-cli)
    TOWPATH=$target/debug/towpath
fi
wait $node_job

export TOWPATH WORK="$work" PYTHONDONTWRITEBYTECODE=1
exec $namespace "$here/inside.sh" "$@"
