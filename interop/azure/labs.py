"""The labs that everything here talks to: one for each way in which port 443 can ask for a client certificate.

Each has a loopback address of its own, because the SDKs dial fixed ports. `python3 labs.py hosts` prints the names.
"""

import base64
import dataclasses
import hashlib
import hmac
import http.client
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.parse
import uuid
from pathlib import Path

import pki

FRONTS = ["renegotiate", "none", "require", "delay", "legacy", "drop"]
# The SDKs that register at the provisioning service, and how.
REGISTRANTS = [f"{sdk}-{transport}" for sdk in ["python", "node"] for transport in ["mqtt", "ws"]]
SCOPE = "0ne00000001"
KEY = base64.b64encode(hashlib.sha256(b"a policy of a test lab").digest()).decode()
GROUP_KEY = base64.b64encode(hashlib.sha256(b"a group of a test lab").digest()).decode()
API_VERSION = "2021-04-12"


def key_of(name):
    """A symmetric key that follows from a name, so that the config and the tests agree on it."""
    return base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()


def derived_key(registration):
    """The key of a group's device."""
    mac = hmac.new(base64.b64decode(GROUP_KEY), registration.encode(), hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()


def token(resource, key, expiry, policy=None):
    """A shared access signature."""
    resource = urllib.parse.quote(resource, safe="")
    text = f"{resource}\n{int(expiry)}".encode()
    mac = hmac.new(base64.b64decode(key), text, hashlib.sha256).digest()
    signature = urllib.parse.quote(base64.b64encode(mac), safe="")
    text = f"SharedAccessSignature sr={resource}&sig={signature}&se={int(expiry)}"
    return f"{text}&skn={policy}" if policy else text


@dataclasses.dataclass
class Device:
    """A device or module that a lab knows, and how it signs in."""

    host: str
    id: str
    module: str | None
    credentials: dict
    key: str | None = None

    @property
    def name(self):
        return f"{self.id}/{self.module}" if self.module else self.id

    @property
    def resource(self):
        module = f"/modules/{self.module}" if self.module else ""
        return f"{self.host}/devices/{self.id}{module}"

    def token(self, seconds):
        return token(self.resource, self.key, time.time() + seconds)


class Lab:
    """A running lab, seen from outside: its REST as a service sees it, its own API, its log."""

    def __init__(self, front, folder):
        number = FRONTS.index(front)
        self.front = front
        self.address = f"127.0.0.{number + 1}"
        self.page = 8080 + number
        self.folder = folder / front
        self.pki = folder / "pki"
        self.host = f"{front}.azure-devices.net"
        # The same lab with no patience for clocks.
        self.strict = f"strict-{front}.azure-devices.net"
        self.dps = f"{front}.azure-devices-provisioning.net"
        self.gateway = f"gateway-{front}.test"

    @property
    def names(self):
        return [self.host, self.strict, self.dps, self.gateway]

    @property
    def service(self):
        """The connection string of a back end."""
        return f"HostName={self.host};SharedAccessKeyName=iothubowner;SharedAccessKey={KEY}"

    def config(self):
        rights = '["RegistryRead", "RegistryWrite", "ServiceConnect", "DeviceConnect"]'
        policy = f'{{ name = "NAME", primary_key = "{KEY}", rights = {rights} }}'
        text = f"""
state = "state"
[listen]
address = "{self.address}"
page = {self.page}
[tls]
front = "{self.front}"
front_delay_ms = 1500
names = ["{self.gateway}"]
"""
        for host, limits in [(self.host, ""), (self.strict, "limits = { skew_s = 0 }")]:
            text += f"""
[[hub]]
host = "{host}"
policy = [{policy.replace("NAME", "iothubowner")}]
device_cas = ["{self.pki}/device-ca.pem"]
{limits}
"""
        text += f"""
[provisioning]
host = "{self.dps}"
id_scope = "{SCOPE}"
polls = 2
retry_after_s = 1
policy = [{policy.replace("NAME", "provisioningserviceowner")}]
"""
        common = f'hubs = ["{self.host}"]\npayload = {{ site = "lock-7" }}'
        for who in REGISTRANTS:
            text += f"""
[[provisioning.enrollment]]
id = "key-{who}"
primary_key = "{key_of(f"key-{who}")}"
device_id = "individual-{who}"
{common}
[[provisioning.enrollment]]
id = "x509-{who}"
primary_certificate = "{self.pki}/x509-{who}.pem"
{common}
[[provisioning.enrollment]]
id = "disabled-{who}"
primary_key = "{key_of(f"disabled-{who}")}"
disabled = true
"""
        text += f"""
[[provisioning.group]]
id = "sensors"
primary_key = "{GROUP_KEY}"
{common}
[[provisioning.group]]
id = "x509-sensors"
cas = ["{self.pki}/group-ca.pem"]
{common}
"""
        return text

    def start(self):
        self.folder.mkdir()
        config = self.folder / "lab.toml"
        config.write_text(self.config())
        log = open(self.folder / "output", "w")
        # It ends with the tests, also when they are killed.
        command = ["setpriv", "--pdeathsig", "TERM", os.environ["TOWPATH"], "lab", "--json"]
        command += ["--config", str(config)]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait_until_ready(self, process):
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.api("GET", "/api/status")
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    output = (self.folder / "output").read_text()
                    sys.exit(f"the lab {self.front} does not start:\n{output}")
                time.sleep(0.05)

    def call(self, connection, method, path, body, headers):
        if body is not None:
            headers = {"Content-Type": "application/json", **headers}
            body = json.dumps(body)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        kind = response.headers.get_content_type()
        return response.status, json.loads(text) if kind == "application/json" and text else text

    def api(self, method, path, body=None):
        """A call of the lab's own API, which has to succeed."""
        connection = http.client.HTTPConnection("127.0.0.1", self.page, timeout=30)
        status, answer = self.call(connection, method, path, body, {"X-Towpath-Lab": "1"})
        assert status < 300, (method, path, status, answer)
        return answer

    def rest(self, method, path, body=None, host=None, headers=None):
        """A call of the hub's REST with the owner's policy: the status and what came."""
        host = host or self.host
        context = ssl.create_default_context(cafile=os.environ["TRUSTED"])
        connection = http.client.HTTPSConnection(host, timeout=30, context=context)
        signed = token(host, KEY, time.time() + 3600, "iothubowner")
        headers = {"Authorization": signed, **(headers or {})}
        join = "&" if "?" in path else "?"
        path = f"{path}{join}api-version={API_VERSION}"
        return self.call(connection, method, path, body, headers)

    def put(self, host, path, body):
        """Stores a file where the hub said: the status."""
        context = ssl.create_default_context(cafile=os.environ["TRUSTED"])
        connection = http.client.HTTPSConnection(host, timeout=30, context=context)
        connection.request("PUT", path, body, {"x-ms-blob-type": "BlockBlob"})
        status = connection.getresponse().status
        connection.close()
        return status

    def device(self, kind="sas", status="enabled", host=None):
        """A new device: `sas`, `thumbprint` or `ca` for X.509, or `module` for a module with a key."""
        host = host or self.host
        id = f"{kind}-{uuid.uuid4().hex[:8]}"
        key = key_of(id)
        keys = {"type": "sas", "symmetricKey": {"primaryKey": key, "secondaryKey": key_of(key)}}
        if kind in ("sas", "module"):
            authentication = keys
            text = f"HostName={host};DeviceId={id};SharedAccessKey={key}"
            credentials = {"connection_string": text}
        else:
            made = pki.self_signed(self.pki, id) if kind == "thumbprint" else pki.issued(self.pki, id)
            prints = {"primaryThumbprint": made.thumbprint, "secondaryThumbprint": made.thumbprint}
            authentication = {"type": "certificateAuthority"}
            if kind == "thumbprint":
                authentication = {"type": "selfSigned", "x509Thumbprint": prints}
            credentials = {"host": host, "device": id, "cert": made.cert, "key": made.key}
            key = None
        body = {"deviceId": id, "status": status, "authentication": authentication}
        devices = f"/api/hubs/{host}/devices"
        self.api("POST", devices, body)
        if kind != "module":
            return Device(host, id, None, credentials, key)
        self.api("POST", devices, {"id": f"{id}/meter", "authentication": keys})
        text = f"HostName={host};DeviceId={id};ModuleId=meter;SharedAccessKey={key}"
        credentials = {"connection_string": text, "module": "meter"}
        return Device(host, id, "meter", credentials, key)

    def events(self):
        """The log so far, as the file has it; a line that is just being written is left for later."""
        text = (self.folder / "state" / "events.jsonl").read_text()
        whole = text[: text.rfind("\n") + 1]
        return [json.loads(line) for line in whole.splitlines()]

    def wait_for(self, what, find, seconds=15):
        """What `find` answers, as soon as it is something."""
        deadline = time.monotonic() + seconds
        while True:
            found = find()
            if found:
                return found
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
            time.sleep(0.03)

    def event(self, device, code, *words, connection=None):
        """The first event of a device (or registration) with this code and these words in its text."""

        def matches(event):
            if event.get("device") != device or event["code"] != code:
                return False
            if connection is not None and event.get("connection") != connection:
                return False
            return all(word.lower() in event["text"].lower() for word in words)

        def find():
            return next((event for event in self.events() if matches(event)), None)

        try:
            return self.wait_for(f"{code} {words}", find)
        except AssertionError as error:
            seen = [(one["code"], one["text"]) for one in self.events() if one.get("device") == device]
            raise AssertionError(f"{error}; the log has of {device}: {seen}") from None

    def path(self, device):
        id = urllib.parse.quote(device.name, safe="")
        return f"/api/hubs/{device.host}/devices/{id}"

    def telemetry(self, device):
        """What came from a device, once there is something."""
        name = urllib.parse.quote(device.name, safe="")
        path = f"/api/hubs/{device.host}/telemetry?device={name}"
        return self.wait_for("telemetry", lambda: self.api("GET", path)["messages"])

    def ladder(self, device):
        """The newest connection of a device."""
        name = urllib.parse.quote(device, safe="")
        return self.api("GET", f"/api/connections?device={name}&limit=1")[0]

    def twin(self, device):
        return self.api("GET", f"{self.path(device)}/twin")

    def patch_twin(self, device, patch):
        return self.api("PATCH", f"{self.path(device)}/twin", patch)

    def invoke(self, device, method, payload):
        return self.api("POST", f"{self.path(device)}/methods/{method}", {"payload": payload})

    def send(self, device, message):
        return self.api("POST", f"{self.path(device)}/messages", message)


def make(folder):
    """The certificates and the labs below a folder, started: the labs by front, and their processes."""
    pki.make(folder / "pki", [f"x509-{who}" for who in REGISTRANTS])
    labs = {front: Lab(front, folder) for front in FRONTS}
    processes = [lab.start() for lab in labs.values()]
    for lab, process in zip(labs.values(), processes):
        lab.wait_until_ready(process)
    roots = [lab.api("GET", "/api/root.pem").decode() for lab in labs.values()]
    (folder / "roots.pem").write_text("".join(roots))
    return labs, processes


if __name__ == "__main__" and sys.argv[1:] == ["hosts"]:
    print("127.0.0.1 localhost")
    for front in FRONTS:
        lab = Lab(front, Path("/"))
        print(lab.address, *lab.names)
