#!/bin/sh
# interop/proxy/run.sh: the tests of this package. Each makes network and mount namespaces of its own, in which squid and
# Dante serve as other users and Dante finds a user of the test's own. That takes root, and all that root can do.
set -eu
cd "$(dirname "$0")/../.."

if [ "$(id -u)" -eq 0 ] && unshare --net --mount true 2>/dev/null; then
    scripts/test-workspace interop proxy
else
    exec scripts/left-out "squid and Dante need root, and network namespaces"
fi
