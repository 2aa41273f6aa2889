"""Registrations, and the hub that they lead to."""

import time
import uuid

import pytest

import labs
import pki
from sdk import Failed

TRANSPORTS = ["mqtt", "ws"]
ASKED = {"modelId": "dtmi:com:example:Thermostat;1"}


def registration(lab, sdk, transport, **more):
    begin = time.monotonic()
    result = sdk.register(host=lab.dps, scope=labs.SCOPE, transport=transport, **more)
    # Two polls were to be a second apart, and the SDKs do as they are told.
    assert time.monotonic() - begin >= 2
    return result


def check(lab, device, id, result, credentials, transport, device_id=None):
    """Assigned after two polls, with the enrolment's payload, to a hub that takes the same credentials."""
    device_id = device_id or id
    assert result["status"] == "assigned"
    assert result["hub"] == lab.host
    assert result["device"] == device_id
    assert result["payload"] == {"site": "lock-7"}
    polls = [one for one in lab.events() if one["code"] == 1013 and one.get("device") == id]
    assert len(polls) >= 3, polls
    known = labs.Device(lab.host, device_id, None, {})
    client = device(credentials, transport)
    client.connect()
    client.call("send", body="provisioned")
    assert lab.telemetry(known)[-1]["body"] == "provisioned"


def by_key(lab, device_id, key):
    return {"connection_string": f"HostName={lab.host};DeviceId={device_id};SharedAccessKey={key}"}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_individual_key(lab, sdk, device, transport):
    id = f"key-{sdk.name}-{transport}"
    key = labs.key_of(id)
    result = registration(lab, sdk, transport, id=id, key=key, payload=ASKED)
    device_id = f"individual-{sdk.name}-{transport}"
    check(lab, device, id, result, by_key(lab, device_id, key), transport, device_id)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_group_key(lab, sdk, device, transport):
    id = f"sensor-{uuid.uuid4().hex[:8]}"
    key = labs.derived_key(id)
    result = registration(lab, sdk, transport, id=id, key=key)
    check(lab, device, id, result, by_key(lab, id, key), transport)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_individual_certificate(lab, sdk, device, transport):
    id = f"x509-{sdk.name}-{transport}"
    cert, key = str(lab.pki / f"{id}.pem"), str(lab.pki / f"{id}.key")
    result = registration(lab, sdk, transport, id=id, cert=cert, cert_key=key, payload=ASKED)
    credentials = {"host": lab.host, "device": id, "cert": cert, "key": key}
    check(lab, device, id, result, credentials, transport)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_group_certificate(lab, sdk, device, transport):
    """The device sends the intermediate along."""
    id = f"x509-sensor-{uuid.uuid4().hex[:8]}"
    made = pki.issued_in_group(lab.pki, id)
    result = registration(lab, sdk, transport, id=id, cert=made.cert, cert_key=made.key)
    credentials = {"host": lab.host, "device": id, "cert": made.cert, "key": made.key}
    check(lab, device, id, result, credentials, transport)


OTHER_FRONTS = [("none", "key"), ("delay", "key"), ("require", "x509"), ("drop", "x509")]


@pytest.mark.parametrize("front, kind", OTHER_FRONTS)
def test_front(all_labs, sdk, device, front, kind):
    """The provisioning service, then the hub, over the other ways in which 443 asks for a certificate."""
    lab = all_labs[front]
    id = f"sensor-{uuid.uuid4().hex[:8]}"
    if kind == "key":
        key = labs.derived_key(id)
        result = registration(lab, sdk, "ws", id=id, key=key)
        credentials = by_key(lab, id, key)
    else:
        made = pki.issued_in_group(lab.pki, id)
        result = registration(lab, sdk, "ws", id=id, cert=made.cert, cert_key=made.key)
        credentials = {"host": lab.host, "device": id, "cert": made.cert, "key": made.key}
    check(lab, device, id, result, credentials, "ws")


def refused(lab, sdk, code, *words, id, **more):
    with pytest.raises(Failed):
        registration(lab, sdk, "mqtt", id=id, **more)
    return lab.event(id, code, *words)


def test_wrong_key(lab, sdk):
    id = f"sensor-{uuid.uuid4().hex[:8]}"
    refused(lab, sdk, 401002, "not signed with", "sensors", id=id, key=labs.key_of("another"))


def test_wrong_scope(lab, sdk):
    id = f"sensor-{uuid.uuid4().hex[:8]}"
    key = labs.derived_key(id)
    with pytest.raises(Failed):
        sdk.register(host=lab.dps, scope="0ne00000009", transport="mqtt", id=id, key=key)
    lab.event(id, 401002, "0ne00000009", labs.SCOPE)


def test_disabled(lab, sdk):
    id = f"disabled-{sdk.name}-mqtt"
    refused(lab, sdk, 1013, "disabled", id=id, key=labs.key_of(id))


def test_unknown_certificate(lab, sdk):
    id = f"stranger-{uuid.uuid4().hex[:8]}"
    made = pki.self_signed(lab.pki, id)
    refused(lab, sdk, 401002, "leads to no CA", id=id, cert=made.cert, cert_key=made.key)
