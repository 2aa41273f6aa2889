"""The official Python SDK as the client that `order.rs` describes: a line of JSON in, lines of JSON out."""

import asyncio
import json
import os
import resource
import sys
import time

from azure.iot.device import IoTHubDeviceClient, Message, ProvisioningDeviceClient, X509
from azure.iot.device.aio import IoTHubDeviceClient as AsyncClient

BODY = '{"temperature":21.5,"humidity":48.25,"battery":3.012,"seq":1000}'


def say(**what):
    print(json.dumps(what), flush=True)


def micros():
    return time.time_ns() // 1000


def memory_kb(what):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(what))


def message():
    one = Message(BODY)
    one.custom_properties.update({"unit": "celsius", "alert": "no"})
    return one


def common(order):
    with open(f"{order['folder']}/root.pem") as file:
        return {"server_verification_cert": file.read(), "websockets": order["transport"] == "wss"}


def make(order, kind, hub, device):
    options = common(order)
    if order["key"]:
        text = f"HostName={hub};DeviceId={device};SharedAccessKey={order['key']}"
        return kind.create_from_connection_string(text, **options)
    x509 = X509(f"{order['folder']}/x509.pem", f"{order['folder']}/x509.key")
    return kind.create_from_x509_certificate(x509=x509, hostname=hub, device_id=device, **options)


def registered(order):
    host, scope = order["dps"]
    client = ProvisioningDeviceClient.create_from_symmetric_key(
        provisioning_host=host,
        registration_id=order["device"],
        id_scope=scope,
        symmetric_key=order["key"],
        **common(order),
    )
    state = client.register().registration_state
    return state.assigned_hub, state.device_id


def start(order):
    began = micros()
    place = registered(order) if order["dps"] else (order["hub"], order["device"])
    client = make(order, IoTHubDeviceClient, *place)
    client.connect()
    client.send_message(message())
    say(began=began, acknowledged=micros())
    client.disconnect()
    began = micros()
    client.connect()
    client.send_message(message())
    say(began=began, acknowledged=micros())
    client.shutdown()


class Cost:
    """From connected to all acknowledged."""

    def __init__(self):
        self.connected_kb = memory_kb("VmRSS")
        self.before = resource.getrusage(resource.RUSAGE_SELF)
        self.began = time.monotonic()

    def say(self):
        wall = time.monotonic() - self.began
        after = resource.getrusage(resource.RUSAGE_SELF)
        user = after.ru_utime - self.before.ru_utime
        system = after.ru_stime - self.before.ru_stime
        kb = {"connected_kb": self.connected_kb, "most_kb": memory_kb("VmHWM")}
        say(user=user, cpu=user + system, wall=wall, **kb)


def one_by_one(order, count):
    client = make(order, IoTHubDeviceClient, order["hub"], order["device"])
    client.connect()
    cost = Cost()
    for _ in range(count):
        client.send_message(message())
    cost.say()
    client.shutdown()


async def many(order, count, at_once):
    client = make(order, AsyncClient, order["hub"], order["device"])
    await client.connect()
    cost = Cost()
    left = iter(range(count))

    async def sender():
        for _ in left:
            await client.send_message(message())

    await asyncio.gather(*(sender() for _ in range(at_once)))
    cost.say()
    await client.shutdown()


order = json.loads(sys.stdin.readline())
if order["work"] == "start":
    start(order)
else:
    flow = order["work"]["flow"]
    if flow["at_once"] == 1:
        one_by_one(order, flow["count"])
    else:
        asyncio.run(many(order, flow["count"], flow["at_once"]))
os._exit(0)
