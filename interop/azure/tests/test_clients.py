"""Clients that know nothing of Azure see an MQTT 3.1.1 server, an HTTP server, and TLS as it should be."""

import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import labs

TRUSTED = os.environ.get("TRUSTED")
PAHO = Path(__file__).parent.parent / "peers/paho_client.py"
UPGRADE = (
    "GET /$iothub/websocket HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: kqX64mYKREm8ZG7XrBKhIw==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: mqtt\r\n\r\n"
)


def user_name(known):
    return f"{known.host}/{known.id}/?api-version=2021-04-12"


def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=30, **options)


class Talk:
    """A program that is talked to through its standard input and output."""

    def __init__(self, command, **options):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, bufsize=0, **options
        )
        os.set_blocking(self.process.stdout.fileno(), False)
        self.said = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def tell(self, data):
        self.process.stdin.write(data)

    def until(self, wanted, seconds=15):
        deadline = time.monotonic() + seconds
        while wanted not in self.said:
            assert time.monotonic() < deadline, (wanted, self.said)
            self.said += self.process.stdout.read() or b""
            time.sleep(0.01)
        return self.said


@pytest.mark.parametrize("transport", ["tcp", "websockets"])
def test_paho(lab, transport):
    known = lab.device()
    setting = {
        "host": known.host,
        "port": {"tcp": 8883, "websockets": 443}[transport],
        "transport": transport,
        "trusted": TRUSTED,
        "id": known.id,
        "user": user_name(known),
        "password": known.token(3600),
        "subscribe": [[f"devices/{known.id}/messages/devicebound/#", 1], ["$iothub/methods/POST/#", 2]],
        "publish": f"devices/{known.id}/messages/events/alarm=yes%20please",
        "body": "hello",
    }
    environment = {**os.environ, "PYTHONPATH": str(Path(os.environ["WORK"]) / "paho")}
    process = subprocess.Popen(
        [sys.executable, str(PAHO)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )
    process.stdin.write(json.dumps(setting) + "\n")
    process.stdin.close()

    def told():
        return json.loads(process.stdout.readline())

    assert told() == {"connack": 0, "session_present": False}
    # Quality of service 2 is not given.
    assert told() == {"suback": [1, 1]}
    assert told() == {"puback": True}
    stored = lab.telemetry(known)[0]
    assert (stored["body"], stored["properties"]) == ("hello", {"alarm": "yes please"})
    lab.send(known, {"body": "down", "properties": {"color": "blue"}})
    message = told()
    assert message["topic"].startswith(f"devices/{known.id}/messages/devicebound/")
    assert "color=blue" in message["topic"]
    assert (message["body"], message["qos"]) == ("down", 1)
    assert process.wait(15) == 0
    process.stdout.close()


def mosquitto(program, known, *arguments):
    command = [program, "-h", known.host, "-p", "8883", "--cafile", TRUSTED, "-V", "mqttv311"]
    command += ["-i", known.id, "-u", user_name(known), *arguments]
    if known.key:
        return [*command, "-P", known.token(3600)]
    return [*command, "--cert", known.credentials["cert"], "--key", known.credentials["key"]]


@pytest.mark.parametrize("kind", ["sas", "ca"])
def test_mosquitto_pub(lab, kind):
    known = lab.device(kind)
    topic = f"devices/{known.id}/messages/events/"
    said = run(mosquitto("mosquitto_pub", known, "-q", "1", "-t", topic, "-m", "hello"))
    assert said.returncode == 0, said
    assert lab.telemetry(known)[0]["body"] == "hello"


@pytest.mark.parametrize("kind", ["sas", "ca"])
def test_mosquitto_sub(lab, kind):
    known = lab.device(kind)
    topic = f"devices/{known.id}/messages/devicebound/#"
    with Talk(mosquitto("mosquitto_sub", known, "-q", "1", "-C", "1", "-t", topic)) as sub:
        lab.event(known.name, 1019, "devicebound")
        lab.send(known, {"body": "down"})
        sub.until(b"down\n")
        assert sub.process.wait(15) == 0


def test_mosquitto_is_refused(lab):
    known = lab.device()
    known.key = labs.key_of("another")
    said = run(mosquitto("mosquitto_pub", known, "-q", "1", "-t", "x", "-m", "x"))
    assert said.returncode != 0 and "not authorised" in said.stderr.lower(), said
    lab.event(known.name, 401003, "not signed with")


def test_will_is_telemetry(lab):
    """A device that is killed leaves its will."""
    known = lab.device()
    events = f"devices/{known.id}/messages/events/"
    will = ["--will-topic", events, "--will-payload", "gone", "--will-qos", "1"]
    topic = f"devices/{known.id}/messages/devicebound/#"
    with Talk(mosquitto("mosquitto_sub", known, "-t", topic, *will)) as sub:
        lab.event(known.name, 1019, "devicebound")
        sub.process.kill()
        stored = lab.telemetry(known)[0]
    assert stored["body"] == "gone" and stored["properties"]["iothub-MessageType"] == "Will"


def s_client(host, port, *arguments):
    command = ["openssl", "s_client", "-connect", f"{host}:{port}", "-servername", host]
    return [*command, "-tls1_2", "-CAfile", TRUSTED, "-verify_return_error", *arguments]


def test_s_client_8883_asks_for_a_certificate(lab):
    said = run(s_client(lab.host, 8883, "-msg"), input="")
    assert "CertificateRequest" in said.stdout and "Verify return code: 0 (ok)" in said.stdout


def test_s_client_443_asks_after_the_get(lab):
    with Talk(s_client(lab.host, 443, "-msg")) as client:
        first = client.until(b"Verify return code")
        assert b"CertificateRequest" not in first
        client.tell(UPGRADE.format(host=lab.host).encode())
        said = client.until(b"101 Switching Protocols")
        second = said[len(first) :]
        assert b"HelloRequest" in second and b"CertificateRequest" in second
        assert second.index(b"CertificateRequest") < second.index(b"101 Switching Protocols")


def test_s_client_443_is_not_asked(lab):
    """`iothub-no-client-cert=true` spares a client the second handshake."""
    with Talk(s_client(lab.host, 443, "-msg")) as client:
        client.until(b"Verify return code")
        request = UPGRADE.format(host=lab.host)
        request = request.replace("/websocket", "/websocket?iothub-no-client-cert=true")
        client.tell(request.encode())
        assert b"HelloRequest" not in client.until(b"101 Switching Protocols")


def field(text):
    return len(text).to_bytes(2) + text


def connect_packet(known, password):
    body = b"\0\x04MQTT\x04\xc2\0\x1e"
    for text in [known.id, user_name(known), password]:
        body += field(text.encode())
    length = bytes([len(body) % 128 + 128, len(body) // 128])
    return b"\x10" + length + body


def test_connect_by_hand(lab):
    known = lab.device()
    with Talk(s_client(lab.host, 8883, "-quiet")) as client:
        client.tell(connect_packet(known, known.token(3600)))
        client.until(b"\x20\x02\x00\x00")
        client.tell(b"\xc0\x00")
        client.until(b"\xd0\x00")
        client.tell(b"\xe0\x00")
        assert client.process.wait(15) == 0
    lab.event(known.name, 1008)


def test_connect_by_hand_refused(lab):
    known = lab.device()
    with Talk(s_client(lab.host, 8883, "-quiet")) as client:
        client.tell(connect_packet(known, "SharedAccessSignature sr=x&sig=eA%3D%3D&se=1"))
        client.until(b"\x20\x02\x00\x05")
        client.process.wait(15)


def curl(lab, path, *arguments, token=None):
    command = ["curl", "-s", "--cacert", TRUSTED, "-w", "\n%{http_code}", *arguments]
    if token:
        command += ["-H", f"Authorization: {token}"]
    said = run([*command, f"https://{lab.host}{path}"])
    body, _, status = said.stdout.rpartition("\n")
    return int(status), body


def test_curl_rest(lab):
    known = lab.device()
    owner = labs.token(lab.host, labs.KEY, time.time() + 60, "iothubowner")
    path = f"/devices/{known.id}?api-version={labs.API_VERSION}"
    status, body = curl(lab, path, token=owner)
    assert status == 200 and json.loads(body)["deviceId"] == known.id
    status, body = curl(lab, path)
    assert status == 401 and "Unauthorized" in json.loads(body)["Message"]
    assert curl(lab, f"/devices/{known.id}", token=owner)[0] == 400
    assert curl(lab, path.replace(known.id, "nobody"), token=owner)[0] == 404


def test_curl_telemetry(lab):
    known = lab.device()
    path = f"/devices/{known.id}/messages/events?api-version={labs.API_VERSION}"
    post = ["-X", "POST", "--data", "over REST", "-H", "iothub-app-alarm: yes"]
    assert curl(lab, path, *post, token=known.token(60))[0] == 204
    stored = lab.telemetry(known)[0]
    assert (stored["body"], stored["properties"]) == ("over REST", {"alarm": "yes"})
    assert curl(lab, path, *post)[0] == 401


def test_curl_without_upgrade(lab):
    assert curl(lab, "/$iothub/websocket")[0] == 426


def test_telemetry_as_a_stream(lab):
    """Server-sent events: what is there already, then what comes."""
    known = lab.device()
    path = f"/devices/{known.id}/messages/events?api-version={labs.API_VERSION}"
    post = ["-X", "POST", "--data", "first"]
    assert curl(lab, path, *post, token=known.token(60))[0] == 204
    connection = http.client.HTTPConnection("127.0.0.1", lab.page, timeout=15)
    stream = f"/api/hubs/{lab.host}/telemetry/stream?device={known.id}&after=0"
    connection.request("GET", stream)
    response = connection.getresponse()
    assert response.headers.get_content_type() == "text/event-stream"

    def body():
        lines = iter(response.readline, b"")
        line = next(line for line in lines if line.startswith(b"data:"))
        return json.loads(line.removeprefix(b"data:"))["body"]

    assert body() == "first"
    assert curl(lab, path, "-X", "POST", "--data", "second", token=known.token(60))[0] == 204
    assert body() == "second"
    connection.close()
