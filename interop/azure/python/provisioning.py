"""A registration on azure-iot-device's provisioning client."""

import json
import os

from azure.iot.device import X509, ProvisioningDeviceClient

TRUSTED = open(os.environ["TRUSTED"]).read()


def register(host, scope, id, transport="mqtt", key=None, cert=None, cert_key=None, payload=None):
    common = {
        "provisioning_host": host,
        "registration_id": id,
        "id_scope": scope,
        "server_verification_cert": TRUSTED,
        "websockets": transport == "ws",
    }
    if key:
        client = ProvisioningDeviceClient.create_from_symmetric_key(symmetric_key=key, **common)
    else:
        x509 = X509(cert, cert_key)
        client = ProvisioningDeviceClient.create_from_x509_certificate(x509=x509, **common)
    if payload is not None:
        client.provisioning_payload = payload
    result = client.register()
    state = result.registration_state
    return {
        "status": result.status,
        "hub": state.assigned_hub,
        "device": state.device_id,
        # The SDK gives it as text.
        "payload": json.loads(state.response_payload),
    }


CALLS = {"register": register}
