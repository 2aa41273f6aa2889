"""WebSocket over each way in which port 443 can ask for a client certificate."""

import itertools

import pytest

import labs
from sdk import Failed

EVERY = sorted(itertools.product(labs.FRONTS, ["sas", "thumbprint"]))
# Where no SDK gets in: what it throws, and the code and the cause that the log has.
REFUSED = {
    ("none", "thumbprint"): (
        {"python": "ConnectionFailedError", "node": "ServiceUnavailableError"},
        401003,
        'front = "none"',
    ),
    ("require", "sas"): (
        {"python": "ConnectionFailedError", "node": "UnauthorizedError"},
        1002,
        "no certificate, which the renegotiation demands",
    ),
    # Both SDKs stand on OpenSSL 3, which does not talk to such a server at all.
    **dict.fromkeys(
        [("legacy", "sas"), ("legacy", "thumbprint")],
        (
            {"python": "ConnectionFailedError", "node": "UnauthorizedError"},
            1002,
            "secure renegotiation (RFC 5746)",
        ),
    ),
}


@pytest.mark.parametrize("front, kind", [one for one in EVERY if one not in REFUSED])
def test_front(all_labs, device, front, kind):
    lab = all_labs[front]
    known = lab.device(kind)
    client = device(known.credentials, "ws")
    client.connect()
    client.call("send", body="through")
    assert lab.telemetry(known)[0]["body"] == "through"
    first, *second = [step for step in lab.ladder(known.name)["steps"] if step["rung"] == "tls"]
    assert "no client certificate" in first["detail"]
    if front == "none":
        assert not second
        return
    shown = "no client certificate" if kind == "sas" else f"client certificate CN={known.id}"
    assert second[0]["detail"].startswith("renegotiated") and shown in second[0]["detail"]
    if front == "delay":
        assert second[0]["at_us"] - first["at_us"] >= 1_500_000


@pytest.mark.parametrize("front, kind", list(REFUSED))
def test_front_refuses(all_labs, sdk, device, front, kind):
    """Below CONNECT the lab does not know the device: its connection is the one that the log has from now on."""
    errors, code, words = REFUSED[front, kind]
    lab = all_labs[front]
    known = lab.device(kind)
    mark = lab.events()[-1]["sequence"]
    client = device(known.credentials, "ws")
    with pytest.raises(Failed) as failed:
        client.connect()
    assert failed.value.types[0] == errors[sdk.name], failed.value

    def told():
        return [one for one in lab.events() if one["sequence"] > mark and one["code"] == code]

    events = lab.wait_for(str(code), told)
    assert words in events[0]["text"] and events[0]["host"] == lab.host, events
    assert events[0].get("device") in (None, known.name)


@pytest.mark.parametrize("kind", ["sas", "thumbprint"])
@pytest.mark.parametrize("front", ["none", "require"])
def test_8883_has_no_front(all_labs, device, front, kind):
    lab = all_labs[front]
    known = lab.device(kind)
    device(known.credentials, "mqtt").connect()
    lab.event(known.name, 1007)
