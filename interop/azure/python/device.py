"""A device, or a module of one, on azure-iot-device."""

import base64
import os
import queue

from azure.iot.device import IoTHubDeviceClient, IoTHubModuleClient, Message, MethodResponse, X509

TRUSTED = open(os.environ["TRUSTED"]).read()
SYSTEM = ["message_id", "correlation_id", "content_type", "content_encoding"]
clients = {}


class Client:
    """An SDK client with what came to it, by kind."""

    def __init__(self, sdk):
        self.sdk = sdk
        self.came = {kind: queue.Queue() for kind in ["message", "desired", "method", "connection"]}
        self.answers = {}
        sdk.on_connection_state_change = self.on_connection
        sdk.on_background_exception = lambda error: None

    def on_connection(self):
        self.came["connection"].put(self.sdk.connected)

    def on_message(self, message):
        system = {name: getattr(message, name) for name in SYSTEM if getattr(message, name)}
        self.came["message"].put(
            {
                "body": base64.b64encode(message.data).decode(),
                "properties": message.custom_properties,
                "system": system,
            }
        )

    def on_method(self, request):
        self.came["method"].put({"name": request.name, "payload": request.payload})
        status, payload = self.answers.get(request.name, (501, None))
        self.sdk.send_method_response(
            MethodResponse.create_from_method_request(request, status, payload)
        )


def make(credentials, transport, gateway, model_id, retry):
    options = {
        "server_verification_cert": TRUSTED,
        "websockets": transport == "ws",
        "connection_retry": retry,
        "connection_retry_interval": 1,
    }
    if model_id:
        options["product_info"] = model_id
    module = credentials.get("module")
    kind = IoTHubModuleClient if module else IoTHubDeviceClient
    if "connection_string" in credentials:
        text = credentials["connection_string"]
        text += f";GatewayHostName={gateway}" if gateway else ""
        return kind.create_from_connection_string(text, **options)
    if gateway:
        options["gateway_hostname"] = gateway
    if "token" in credentials:
        return kind.create_from_sastoken(credentials["token"], **options)
    x509 = X509(credentials["cert"], credentials["key"])
    names = {"hostname": credentials["host"], "device_id": credentials["device"]}
    if module:
        names["module_id"] = module
    return kind.create_from_x509_certificate(x509=x509, **names, **options)


def create(client, credentials, transport="mqtt", gateway=None, model_id=None, retry=False):
    clients[client] = Client(make(credentials, transport, gateway, model_id, retry))


def connect(client):
    clients[client].sdk.connect()


def listen(client, kinds):
    one = clients[client]
    if "message" in kinds:
        one.sdk.on_message_received = one.on_message
    if "method" in kinds:
        one.sdk.on_method_request_received = one.on_method
    if "desired" in kinds:
        one.sdk.on_twin_desired_properties_patch_received = one.came["desired"].put


def answer(client, method, status, payload):
    clients[client].answers[method] = (status, payload)


def send(client, body, properties=None, **system):
    message = Message(body)
    for name, value in system.items():
        setattr(message, name, value)
    message.custom_properties.update(properties or {})
    clients[client].sdk.send_message(message)


def twin(client):
    return clients[client].sdk.get_twin()


def report(client, patch):
    clients[client].sdk.patch_twin_reported_properties(patch)


def upload(client, name):
    return clients[client].sdk.get_storage_info_for_blob(name)


def uploaded(client, correlation, status):
    clients[client].sdk.notify_blob_upload_status(correlation, status < 300, status, "done")


def wait(client, kind, seconds):
    return clients[client].came[kind].get(timeout=seconds)


def close(client):
    clients.pop(client).sdk.shutdown()


CALLS = {
    call.__name__: call
    for call in [
        create,
        connect,
        listen,
        answer,
        send,
        twin,
        report,
        upload,
        uploaded,
        wait,
        close,
    ]
}
