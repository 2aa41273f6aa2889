"""The SDKs, each behind a driver process that is asked by lines of JSON."""

import collections
import itertools
import json
import os
import queue
import subprocess
import threading
from pathlib import Path

HERE = Path(__file__).parent
# Longer than any SDK waits by itself.
PATIENCE = 70


class Failed(Exception):
    """What an SDK threw: its own words, with the causes behind it."""

    def __init__(self, chain):
        super().__init__(" <- ".join(f"{one['type']}: {one['text']}" for one in chain))
        self.types = [one["type"] for one in chain]


class Sdk:
    """A driver process. It is started with the first call and can be used by any number of tests after each other."""

    def __init__(self, name):
        self.name = name
        self.process = None
        self.numbers = itertools.count()

    def start(self):
        work = Path(os.environ["WORK"])
        trusted = os.environ["TRUSTED"]
        environment = {
            **os.environ,
            "REQUESTS_CA_BUNDLE": trusted,
            "NODE_EXTRA_CA_CERTS": trusted,
            "NODE_PATH": str(work / "node_modules"),
        }
        commands = {
            "python": [str(work / "venv/bin/python"), str(HERE / "python/driver.py")],
            "node": ["node", str(HERE / "node/driver.js")],
        }
        self.process = subprocess.Popen(
            commands[self.name],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.answers = queue.Queue()
        self.said = collections.deque(maxlen=200)
        threading.Thread(target=self.read_answers, args=(self.process,), daemon=True).start()
        threading.Thread(target=self.read_said, args=(self.process,), daemon=True).start()

    def read_answers(self, process):
        for line in process.stdout:
            self.answers.put(json.loads(line))
        self.answers.put(None)

    def read_said(self, process):
        self.said.extend(process.stderr)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def call(self, call, /, **arguments):
        if self.process is None:
            self.start()
        self.process.stdin.write(json.dumps({"call": call, "arguments": arguments}) + "\n")
        self.process.stdin.flush()
        try:
            answer = self.answers.get(timeout=PATIENCE)
        except queue.Empty:
            self.stop()
            raise AssertionError(f"{self.name}: no answer to {call} in {PATIENCE} s") from None
        assert answer is not None, f"{self.name}: the driver ended in {call}: {''.join(self.said)}"
        if "error" in answer:
            raise Failed(answer["error"])
        return answer["ok"]

    def device(self, credentials, transport="mqtt", **options):
        return Client(self, credentials, transport, options)

    def register(self, **arguments):
        return self.call("provisioning.register", **arguments)

    def service(self, name, connection_string, /, **arguments):
        return self.call(f"service.{name}", connection_string=connection_string, **arguments)


class Client:
    """A device of an SDK."""

    def __init__(self, sdk, credentials, transport, options):
        self.sdk = sdk
        self.number = next(sdk.numbers)
        self.closed = False
        self.call("create", credentials=credentials, transport=transport, **options)

    def call(self, name, /, **arguments):
        return self.sdk.call(f"device.{name}", client=self.number, **arguments)

    def connect(self):
        self.call("connect")
        return self

    def wait(self, kind, until=lambda value: True, seconds=15):
        """The next of a kind that came and is what is looked for."""
        while True:
            value = self.call("wait", kind=kind, seconds=seconds)
            if until(value):
                return value

    def close(self):
        if not self.closed and self.sdk.process is not None:
            self.closed = True
            self.call("close")
