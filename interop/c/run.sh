#!/bin/sh
# interop/c/run.sh: builds the C face as a C programmer does, and runs its example and the Zephyr glue at a real broker.
set -eu
cd "$(dirname "$0")/../.."

scripts/build-c
scripts/test-workspace interop c
