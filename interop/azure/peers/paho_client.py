"""A device on plain paho-mqtt: no SDK, just what the service's documents say about topics and the user name.

Takes in a line of JSON; gives out lines of JSON: what CONNACK, SUBACK and PUBACK said, and the first message that came.
"""

import json
import queue
import ssl
import sys

from paho.mqtt import client as paho

setting = json.loads(sys.stdin.readline())
happened = queue.Queue()
client = paho.Client(
    paho.CallbackAPIVersion.VERSION2,
    client_id=setting["id"],
    clean_session=False,
    protocol=paho.MQTTv311,
    transport=setting["transport"],
)
client.tls_set_context(ssl.create_default_context(cafile=setting["trusted"]))
client.username_pw_set(setting["user"], setting["password"])
if setting["transport"] == "websockets":
    client.ws_set_options(path="/$iothub/websocket")
client.on_connect = lambda _client, _data, flags, code, _properties: happened.put(
    {"connack": code.value, "session_present": flags.session_present}
)
client.on_subscribe = lambda _client, _data, _id, codes, _properties: happened.put(
    {"suback": [code.value for code in codes]}
)
client.on_publish = lambda _client, _data, _id, _code, _properties: happened.put({"puback": True})
client.on_message = lambda _client, _data, message: happened.put(
    {"topic": message.topic, "body": message.payload.decode(), "qos": message.qos}
)


def tell():
    told = happened.get(timeout=15)
    print(json.dumps(told), flush=True)
    return told


client.connect(setting["host"], setting["port"], keepalive=30)
client.loop_start()
if tell()["connack"] == 0:
    client.subscribe(setting["subscribe"])
    tell()
    client.publish(setting["publish"], setting["body"], qos=1)
    tell()
    tell()
    client.disconnect()
client.loop_stop()
