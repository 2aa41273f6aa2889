"""The Python SDKs behind lines of JSON.

Takes in one call a line, `{"call": "device.send", "arguments": {...}}`; gives out one answer a line, `{"ok": ...}` or
`{"error": [{"type": ..., "text": ...}, ...]}`, the cause of an error behind it. `node/driver.js` takes the same calls.
"""

import json
import logging
import os
import sys
import traceback

# What a library prints must not get between the answers.
answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)
logging.basicConfig(level=os.environ.get("DRIVER_LOG", "ERROR"))

import device  # noqa: E402
import provisioning  # noqa: E402
import service  # noqa: E402

PARTS = {"device": device.CALLS, "provisioning": provisioning.CALLS, "service": service.CALLS}


def chain(error):
    while error is not None:
        yield {"type": type(error).__name__, "text": str(error)}
        error = error.__cause__ or error.__context__


def answer(line):
    request = json.loads(line)
    part, name = request["call"].split(".")
    try:
        return {"ok": PARTS[part][name](**request["arguments"])}
    except Exception as error:
        traceback.print_exc()
        return {"error": list(chain(error))}


for line in sys.stdin:
    print(json.dumps(answer(line)), file=answers)
os._exit(0)
