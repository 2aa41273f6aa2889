#!/bin/sh
# interop/tls/run.sh: the tests of this package. Each makes a network namespace of its own, which takes a right that
# root has. Others get it in a user namespace, where they keep their own id, since Apache does not serve as root.
set -eu
cd "$(dirname "$0")/../.."

if unshare --net true 2>/dev/null; then
    scripts/test-workspace interop tls
elif unshare --map-current-user --keep-caps unshare --net true 2>/dev/null; then
    unshare --map-current-user --keep-caps scripts/test-workspace interop tls
else
    exec scripts/left-out "no network namespace can be made here: be root, or let users make namespaces"
fi
