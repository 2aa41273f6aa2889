#!/bin/sh
# interop/lab/run.sh: the tests of this package. Each starts a lab, a device, chromedriver and a headless Chromium of its
# own, on free ports; nothing is dialled but loopback.
set -eu
cd "$(dirname "$0")/../.."

for program in chromium chromedriver; do
    command -v $program >/dev/null || exec scripts/left-out "no $program here, which shows the page"
done
scripts/test-workspace interop lab
