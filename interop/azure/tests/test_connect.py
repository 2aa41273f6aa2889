"""Each kind of credentials over each transport: in, one message stored, out."""

import pytest

TRANSPORTS = ["mqtt", "ws"]


def one_message(lab, device, client):
    client.connect()
    lab.event(device.name, 1007)
    client.call("send", body="21.5")
    assert lab.telemetry(device)[0]["body"] == "21.5"


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("kind", ["sas", "thumbprint", "ca", "module"])
def test_credentials(lab, device, kind, transport):
    known = lab.device(kind)
    client = device(known.credentials, transport)
    one_message(lab, known, client)
    ladder = lab.ladder(known.name)
    assert ladder["listener"] == {"mqtt": "mqtts", "ws": "https"}[transport]
    assert all(step["ok"] for step in ladder["steps"]), ladder
    client.close()
    lab.event(known.name, 1008)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_gateway_host(lab, device, transport):
    """The device dials the gateway and says the hub's name."""
    known = lab.device()
    client = device(known.credentials, transport, gateway=lab.gateway)
    one_message(lab, known, client)
    assert lab.ladder(known.name)["host"] == lab.host


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_model_id(lab, device, transport):
    known = lab.device()
    model = "dtmi:com:example:Thermostat;1"
    client = device(known.credentials, transport, model_id=model)
    one_message(lab, known, client)
    assert lab.rest("GET", f"/twins/{known.id}")[1]["modelId"] == model


def test_token_of_the_application(lab, device):
    """A token that the application made itself, instead of a key."""
    known = lab.device()
    client = device({"token": known.token(3600)})
    one_message(lab, known, client)


def test_session_is_taken_up_again(lab, device):
    """What comes while the device is away is delivered when it is back."""
    known = lab.device()
    first = device(known.credentials)
    first.connect()
    first.call("listen", kinds=["message"])
    lab.event(known.name, 1019, "devicebound")
    first.close()
    lab.event(known.name, 1008)
    lab.send(known, {"body": "while you were out"})
    again = device(known.credentials)
    # The hub delivers as soon as the device is in: whoever listens later has missed it.
    again.call("listen", kinds=["message"])
    again.connect()
    assert again.wait("message")["body"] == "d2hpbGUgeW91IHdlcmUgb3V0"
