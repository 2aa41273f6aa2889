"""What a device does once it is in, with the lab's own API at the other end."""

import base64

import pytest

# What signs in, over what, and the way in which 443 asks for a certificate where it is not the usual one.
WAYS = ["sas-mqtt", "sas-ws", "thumbprint-ws", "module-mqtt"]
WAYS += ["sas-ws-none", "sas-ws-delay", "thumbprint-ws-require", "thumbprint-ws-drop"]
# Cloud-to-device messages are for devices only.
of_devices = pytest.mark.parametrize(
    "talking", [way for way in WAYS if "module" not in way], indirect=True
)


@pytest.fixture(params=WAYS)
def talking(request, all_labs, device):
    """A lab, a device that is in, and its client."""
    kind, transport, front = [*request.param.split("-"), "renegotiate"][:3]
    lab = all_labs[front]
    known = lab.device(kind)
    client = device(known.credentials, transport)
    client.connect()
    return lab, known, client


def test_telemetry(talking):
    lab, known, client = talking
    system = {"message_id": "m-1", "correlation_id": "c-1"}
    system |= {"content_type": "application/json", "content_encoding": "utf-8"}
    properties = {"alert key": "yes/no &", "empty": ""}
    client.call("send", body='{"temperature": 21.5}', properties=properties, **system)
    stored = lab.telemetry(known)[0]
    assert stored["body"] == '{"temperature": 21.5}'
    assert stored["properties"] == properties
    for name, value in system.items():
        assert stored["system"][name.replace("_", "-")] == value
    assert stored["device"] == known.id and stored.get("module") == known.module


def test_many_messages_in_order(talking):
    lab, known, client = talking
    for number in range(20):
        client.call("send", body=str(number))
    stored = lab.wait_for("20 messages", lambda: len(found := lab.telemetry(known)) == 20 and found)
    assert [one["body"] for one in stored] == [str(number) for number in range(20)]


@of_devices
def test_cloud_to_device(talking):
    lab, known, client = talking
    client.call("listen", kinds=["message"])
    lab.event(known.name, 1019, "devicebound")
    system = {"message-id": "m-9", "correlation-id": "c-9"}
    lab.send(known, {"body": "hello c2d", "properties": {"color": "blue & red"}, "system": system})
    came = client.wait("message")
    assert base64.b64decode(came["body"]) == b"hello c2d"
    assert came["properties"]["color"] == "blue & red"
    assert came["system"]["message_id"] == "m-9" and came["system"]["correlation_id"] == "c-9"
    lab.event(known.name, 1010, "complete")
    assert lab.api("GET", f"{lab.path(known)}/messages")["messages"] == []


def test_twin(talking):
    """Desired as the service set them, reported as the device wrote them, versions counted."""
    lab, known, client = talking
    lab.patch_twin(known, {"properties": {"desired": {"interval": 5, "deep": {"er": [1, "x", {}]}}}})
    twin = client.call("twin")
    assert twin["desired"]["interval"] == 5 and twin["desired"]["deep"] == {"er": [1, "x", {}]}
    assert twin["desired"]["$version"] == 2 and twin["reported"]["$version"] == 1
    client.call("report", patch={"fw": "1.2.3", "n": {"a": 1}})
    client.call("report", patch={"n": {"a": None, "b": True}})
    reported = lab.twin(known)["properties"]["reported"]
    assert reported["fw"] == "1.2.3" and reported["n"] == {"b": True} and reported["$version"] == 3
    assert client.call("twin")["reported"]["n"] == {"b": True}


def test_desired_patch(talking):
    lab, known, client = talking
    client.call("listen", kinds=["desired"])
    lab.event(known.name, 1019, "twin/PATCH/properties/desired")
    lab.patch_twin(known, {"properties": {"desired": {"interval": 7}}})
    patch = client.wait("desired", lambda patch: patch["$version"] == 2)
    assert patch["interval"] == 7
    lab.patch_twin(known, {"properties": {"desired": {"interval": None}}})
    patch = client.wait("desired", lambda patch: patch["$version"] == 3)
    assert patch.get("interval") is None


def test_method(talking):
    lab, known, client = talking
    client.call("answer", method="reboot", status=200, payload={"ok": True, "after": [3]})
    client.call("listen", kinds=["method"])
    lab.event(known.name, 1019, "methods")
    answer = lab.invoke(known, "reboot", {"delay": 3})
    assert answer == {"status": 200, "payload": {"ok": True, "after": [3]}}
    assert client.wait("method") == {"name": "reboot", "payload": {"delay": 3}}
    assert lab.invoke(known, "reboot", None)["status"] == 200


def test_method_with_a_status_of_the_device(talking):
    lab, known, client = talking
    client.call("answer", method="eject", status=409, payload="door open")
    client.call("listen", kinds=["method"])
    lab.event(known.name, 1019, "methods")
    assert lab.invoke(known, "eject", {}) == {"status": 409, "payload": "door open"}


@pytest.mark.parametrize("talking", ["sas-mqtt", "sas-ws"], indirect=True)
def test_file_upload(talking):
    """The SDK asks for a place over HTTPS, the file goes there, and the SDK tells that it is done."""
    lab, known, client = talking
    place = client.call("upload", name="log.txt")
    path = f"/{place['containerName']}/{place['blobName']}{place['sasToken']}"
    assert lab.put(place["hostName"], path, b"all is well") == 201
    client.call("uploaded", correlation=place["correlationId"], status=201)
    files = lab.api("GET", f"{lab.path(known)}/files")["files"]
    assert "log.txt" in str(files), files


@pytest.mark.parametrize("transport", ["mqtt", "ws"])
def test_maintenance(lab, device, transport):
    """The hub ends the connection, and the SDK comes back by itself with what it had subscribed to."""
    known = lab.device()
    client = device(known.credentials, transport, retry=True)
    client.connect()
    client.call("listen", kinds=["message"])
    lab.event(known.name, 1019, "devicebound")
    first = lab.ladder(known.name)["id"]
    lab.api("POST", f"{lab.path(known)}/disconnect")
    lab.event(known.name, 400029, connection=first)
    lab.wait_for("a new connection", lambda: lab.ladder(known.name)["id"] != first)
    lab.send(known, {"body": "still there?"})
    assert base64.b64decode(client.wait("message")["body"]) == b"still there?"
