#!/bin/sh
# interop/azure/inside.sh: what run.sh starts in the namespace. Gives it a loopback interface and names, then tests.
set -eu
cd "$(dirname "$0")"

mount --make-rprivate /
ip link set lo up
python3 labs.py hosts >"$WORK/hosts"
mount --bind "$WORK/hosts" /etc/hosts
# A name that is not there is answered at once: there is no resolver.
: >"$WORK/resolv.conf"
mount --bind "$WORK/resolv.conf" "$(readlink -f /etc/resolv.conf)"

exec "$WORK/venv/bin/python" -m pytest -p no:cacheprovider "$@"
