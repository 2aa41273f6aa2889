"""Who may not come in: the SDK fails, and the lab's log has the hub's code and the true cause."""

import time
import uuid

import pytest

import labs
import pki
from sdk import Failed

pytestmark = pytest.mark.parametrize("transport", ["mqtt", "ws"])
# What the SDKs make of CONNACK 5, whatever the cause.
REFUSED = {"python": "CredentialError", "node": "UnauthorizedError"}


def refused(lab, device, known, credentials, transport, code, *words):
    """The SDK says no more than `REFUSED`; the log says why, for the very connection that was refused."""
    client = device(credentials, transport)
    with pytest.raises(Failed) as failed:
        client.connect()
    assert failed.value.types[0] == REFUSED[client.sdk.name], failed.value
    ladder = lab.ladder(known.name)
    event = lab.event(known.name, code, *words, connection=ladder["id"])
    assert event["host"] == known.host
    assert not ladder["steps"][-1]["ok"] and ladder["steps"][-1]["rung"] == "mqtt", ladder


def test_expired_token(lab, device, transport):
    """A token that was good when the application made it, at a hub that has no patience for clocks."""
    known = lab.device(host=lab.strict)
    client = device({"token": known.token(2)}, transport)
    end = int(time.time() + 2)
    while time.time() <= end + 1:
        time.sleep(0.1)
    with pytest.raises(Failed):
        client.connect()
    lab.event(known.name, 401003, "expired")


def test_clock_of_the_hub(lab, device, transport):
    """The hub's clock is two hours ahead, so that each token has expired."""
    known = lab.device()
    number = lab.api("POST", "/api/faults", {"fault": "clock-skew", "value": 7200, "device": known.name})
    refused(lab, device, known, known.credentials, transport, 401003, "expired")
    lab.api("DELETE", f"/api/faults/{number['number']}")
    device(known.credentials, transport).connect()


def test_wrong_key(lab, device, transport):
    known = lab.device()
    text = f"HostName={known.host};DeviceId={known.id};SharedAccessKey={labs.key_of('another')}"
    refused(lab, device, known, {"connection_string": text}, transport, 401003, "not signed with")


def test_unknown_device(lab, device, transport):
    id = f"nobody-{uuid.uuid4().hex[:8]}"
    known = labs.Device(lab.host, id, None, {})
    text = f"HostName={lab.host};DeviceId={id};SharedAccessKey={labs.key_of(id)}"
    refused(lab, device, known, {"connection_string": text}, transport, 404001, id)


def test_disabled_device(lab, device, transport):
    known = lab.device(status="disabled")
    refused(lab, device, known, known.credentials, transport, 403012, "disabled")


def test_wrong_thumbprint(lab, device, transport):
    """A certificate of the right name, but not the one that was enrolled."""
    known = lab.device("thumbprint")
    other = pki.self_signed(lab.pki, f"{known.id}-other")
    credentials = {**known.credentials, "cert": other.cert, "key": other.key}
    refused(lab, device, known, credentials, transport, 401003, "thumbprint", other.thumbprint)


def test_unknown_ca(lab, device, transport):
    """A certificate that nobody issued, of a device whose certificate has to come from the CA."""
    known = lab.device("ca")
    other = pki.self_signed(lab.pki, f"{known.id}-other")
    credentials = {**known.credentials, "cert": other.cert, "key": other.key}
    refused(lab, device, known, credentials, transport, 401003, "certificate")


def test_token_for_another_hub(lab, device, transport):
    """The signature is right, but the token's scope is another hub."""
    known = lab.device()
    id, key = known.id, known.key
    resource = f"{lab.strict}/devices/{id}"
    text = labs.token(resource, key, time.time() + 3600)
    other = labs.Device(lab.host, id, None, {})
    # The SDKs take host and device from the token: the gateway's name leads to the lab all the same.
    refused(lab, device, labs.Device(lab.strict, id, None, {}), {"token": text}, transport, 404001, id)


def test_takeover(lab, sdk, device, transport):
    known = lab.device()
    first = device(known.credentials, transport)
    first.connect()
    connection = lab.ladder(known.name)["id"]
    second = device(known.credentials, transport)
    second.connect()
    first.wait("connection", lambda up: not up)
    event = lab.event(known.name, 400027)
    assert event["connection"] == connection
    second.call("send", body="mine now")
    assert lab.telemetry(known)[0]["body"] == "mine now"


def test_deleted_while_connected(lab, device, transport):
    known = lab.device()
    client = device(known.credentials, transport)
    client.connect()
    status, _ = lab.rest("DELETE", f"/devices/{known.id}", headers={"If-Match": "*"})
    assert status == 204
    client.wait("connection", lambda up: not up)
    refused(lab, device, known, known.credentials, transport, 404001)
