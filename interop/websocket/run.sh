#!/bin/sh
# interop/websocket/run.sh: both roles of towpath's WebSocket against kosoku, which runs Autobahn's 301 cases without
# compression (12 and 13 are about an extension that towpath does not offer). Reports stay in target/kosoku.
set -eu
cd "$(dirname "$0")/.."

need=../scripts/need
[ ! -x "$need" ] || "$need" python3-venv

target=${CARGO_TARGET_DIR:-$PWD/../target}
work=$target/kosoku
python=$work/venv/bin/python
kosoku=$work/venv/bin/kosoku
if ! "$kosoku" --help >/dev/null 2>&1; then
    rm -rf "$work/venv"
    python3 -m venv "$work/venv"
    "$python" -m pip install -q --disable-pip-version-check kosoku==0.1.0
fi
rm -rf "$work/client" "$work/server"

cargo build --release --quiet -p websocket
bin=$target/release

peer=
trap '[ -z "$peer" ] || kill "$peer" 2>/dev/null || :' EXIT
trap 'exit 130' INT TERM

# What a peer writes to its log first is where it listens.
wait_for() {
    tries=100
    until grep -q "$1" "$2" 2>/dev/null; do
        tries=$((tries - 1))
        if [ "$tries" -eq 0 ] || ! kill -0 "$peer" 2>/dev/null; then
            cat "$2" >&2
            exit 1
        fi
        sleep 0.1
    done
}

# Port 0: the system chooses a free one. Python buffers its output only when it is no terminal.
"$kosoku" -m fuzzingserver -x '12.*' -x '13.*' -o "$work/client" 127.0.0.1:0 >"$work/client.log" 2>&1 &
peer=$!
wait_for 'listening on' "$work/client.log"
address=$(sed -n 's|.*listening on ws://||p' "$work/client.log" | head -n 1)
timeout 300 "$bin/ws-echo-client" "$address" towpath
# The server writes its report and ends; its exit code is in the tally.
wait "$peer" || :
peer=
failed=0
"$python" websocket/tally.py "$work/client/index.json" client || failed=1

"$bin/ws-echo-server" >"$work/server.log" 2>&1 &
peer=$!
wait_for '^127' "$work/server.log"
address=$(head -n 1 "$work/server.log")
timeout 300 "$kosoku" -m fuzzingclient -x '12.*' -x '13.*' -o "$work/server" "$address" >"$work/server-suite.log" 2>&1 || :
"$python" websocket/tally.py "$work/server/index.json" server || failed=1
exit "$failed"
