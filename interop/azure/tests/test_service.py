"""The service SDKs: registry, twins, methods, statistics, queries."""

import uuid

import pytest

import labs
from sdk import Failed

KEYS = {"primary_key": labs.key_of("first"), "secondary_key": labs.key_of("second")}


@pytest.fixture
def back_end(lab, sdk):
    """Calls of the SDK's service side."""
    return lambda name, **arguments: sdk.service(name, lab.service, **arguments)


@pytest.fixture
def id():
    return f"served-{uuid.uuid4().hex[:8]}"


def test_device(back_end, id):
    made = back_end("create_device", id=id, **KEYS)
    assert made["deviceId"] == id and made["status"] == "enabled"
    assert made["connectionState"] == "Disconnected" and made["generationId"]
    read = back_end("device", id=id)
    assert read["authentication"]["symmetricKey"]["primaryKey"] == KEYS["primary_key"]
    assert read["etag"] == made["etag"]
    with pytest.raises(Failed):
        back_end("create_device", id=id, **KEYS)
    changed = back_end("disable_device", id=id, etag=read["etag"])
    assert changed["status"] == "disabled" and changed["statusReason"] == "tested"
    assert changed["etag"] != read["etag"]
    back_end("delete_device", id=id)
    with pytest.raises(Failed):
        back_end("device", id=id)


def test_stale_etag(back_end, id):
    made = back_end("create_device", id=id, **KEYS)
    back_end("update_device_if_match", id=id, etag=made["etag"], **KEYS)
    with pytest.raises(Failed):
        back_end("update_device_if_match", id=id, etag=made["etag"], **KEYS)


def test_device_with_certificate(back_end, id):
    thumbprints = {"primary_thumbprint": "A1" * 20, "secondary_thumbprint": "B2" * 32}
    made = back_end("create_device_x509", id=id, **thumbprints)
    assert made["authentication"]["type"] == "selfSigned"
    assert made["authentication"]["x509Thumbprint"]["secondaryThumbprint"] == "B2" * 32
    made = back_end("create_device_ca", id=f"{id}-ca")
    assert made["authentication"]["type"] == "certificateAuthority"


def test_many_devices(back_end, sdk, id):
    ids = [f"{id}-{number}" for number in range(5)]
    assert back_end("create_devices", ids=ids, **KEYS)["isSuccessful"]
    assert {one["deviceId"] for one in back_end("devices")} >= set(ids)
    # The service answers 400 with the result. Node throws it, Python gives it.
    if sdk.name == "node":
        with pytest.raises(Failed, match="DeviceAlreadyExists"):
            back_end("create_devices", ids=ids[:1], **KEYS)
    else:
        again = back_end("create_devices", ids=ids[:1], **KEYS)
        assert not again["isSuccessful"] and again["errors"][0]["deviceId"] == ids[0]
    assert back_end("delete_devices", ids=ids)["isSuccessful"]
    with pytest.raises(Failed):
        back_end("device", id=ids[0])


def test_modules(back_end, id):
    back_end("create_device", id=id, **KEYS)
    made = back_end("create_module", device=id, id="meter", **KEYS)
    assert made["moduleId"] == "meter" and made["deviceId"] == id
    back_end("create_module", device=id, id="valve", **KEYS)
    assert [one["moduleId"] for one in back_end("modules", device=id)] == ["meter", "valve"]
    assert back_end("module", device=id, id="meter")["managedBy"] == "tester"
    back_end("patch_module_twin", device=id, id="meter", desired={"unit": "kWh"})
    twin = back_end("module_twin", device=id, id="meter")
    assert twin["properties"]["desired"]["unit"] == "kWh"
    back_end("delete_module", device=id, id="meter")
    with pytest.raises(Failed):
        back_end("module", device=id, id="meter")


def test_twin(back_end, id):
    back_end("create_device", id=id, **KEYS)
    twin = back_end("twin", id=id)
    assert twin["deviceId"] == id and twin["version"] >= 1
    desired = {"interval": 5, "deep": {"er": True}}
    patched = back_end("patch_twin", id=id, desired=desired, tags={"building": "44"})
    assert patched["properties"]["desired"]["deep"] == {"er": True}
    assert patched["tags"] == {"building": "44"} and patched["version"] > twin["version"]
    assert "$metadata" in patched["properties"]["desired"]
    back_end("patch_twin", id=id, desired={"deep": None}, etag=patched["etag"])
    assert "deep" not in back_end("twin", id=id)["properties"]["desired"]
    with pytest.raises(Failed):
        back_end("patch_twin", id=id, desired={"interval": 6}, etag=patched["etag"])


def test_method(lab, back_end, sdk, device):
    """Service SDK, lab, device SDK and back."""
    known = lab.device()
    client = device(known.credentials)
    client.connect()
    client.call("answer", method="reboot", status=202, payload={"ok": True})
    client.call("listen", kinds=["method"])
    lab.event(known.name, 1019, "methods")
    answer = back_end("invoke", device=known.id, method="reboot", payload={"delay": 3})
    assert answer["status"] == 202 and answer["payload"] == {"ok": True}
    assert client.wait("method") == {"name": "reboot", "payload": {"delay": 3}}


def test_method_of_a_module(lab, back_end, device):
    known = lab.device("module")
    client = device(known.credentials)
    client.connect()
    client.call("answer", method="read", status=200, payload=[1, 2])
    client.call("listen", kinds=["method"])
    lab.event(known.name, 1019, "methods")
    answer = back_end("invoke", device=known.id, module="meter", method="read", payload=None)
    assert answer["payload"] == [1, 2]


def test_method_of_a_device_that_is_away(lab, back_end):
    known = lab.device()
    with pytest.raises(Failed) as failed:
        back_end("invoke", device=known.id, method="reboot", payload={})
    assert "not" in str(failed.value).lower(), failed.value
    lab.event(known.name, 404103)


def test_statistics(back_end, id):
    back_end("create_device", id=id, **KEYS)
    told = back_end("statistics")
    assert told["totalDeviceCount"] >= 1
    assert told["enabledDeviceCount"] + told["disabledDeviceCount"] == told["totalDeviceCount"]


def test_query(back_end, id):
    for number in range(5):
        back_end("create_device", id=f"{id}-{number}", **KEYS)
        tags = {"fleet": id, "odd": bool(number % 2)}
        back_end("patch_twin", id=f"{id}-{number}", tags=tags, desired={"number": number})
    text = f"SELECT * FROM devices WHERE tags.fleet = '{id}'"
    found = back_end("query", text=text, page=2)
    assert sorted(one["deviceId"] for one in found) == [f"{id}-{number}" for number in range(5)]
    text += " AND properties.desired.number > 2"
    assert len(back_end("query", text=text)) == 2
    text = f"SELECT deviceId FROM devices WHERE tags.fleet = '{id}' AND tags.odd = true"
    assert len(back_end("query", text=text)) == 2
    with pytest.raises(Failed):
        back_end("query", text="DROP TABLE devices")


def test_wrong_policy_key(lab, sdk):
    wrong = lab.service.replace(labs.KEY, labs.key_of("another"))
    with pytest.raises(Failed):
        sdk.service("statistics", wrong)
