"""What a back end does, on azure-iot-hub."""

from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import (
    AuthenticationMechanism,
    CloudToDeviceMethod,
    ExportImportDevice,
    QuerySpecification,
    SymmetricKey,
    Twin,
    TwinProperties,
)

managers = {}


def manager(connection_string):
    if connection_string not in managers:
        managers[connection_string] = IoTHubRegistryManager(connection_string)
    return managers[connection_string]


def call(function):
    """The same with the connection string first, and its answer as JSON in the service's own names."""

    def called(connection_string, **arguments):
        return plain(function(manager(connection_string), **arguments))

    called.__name__ = function.__name__
    return called


def own_name(_name, attribute, value):
    return attribute["key"], value


def plain(value):
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value.as_dict(key_transformer=own_name) if hasattr(value, "as_dict") else value


def create_device(hub, id, primary_key, secondary_key, status="enabled"):
    return hub.create_device_with_sas(id, primary_key, secondary_key, status)


def create_device_x509(hub, id, primary_thumbprint, secondary_thumbprint, status="enabled"):
    return hub.create_device_with_x509(id, primary_thumbprint, secondary_thumbprint, status)


def create_device_ca(hub, id, status="enabled"):
    return hub.create_device_with_certificate_authority(id, status)


def device(hub, id):
    return hub.get_device(id)


def devices(hub, limit=None):
    return hub.get_devices(limit)


def disable_device(hub, id, etag):
    keys = hub.get_device(id).authentication.symmetric_key
    return hub.update_device_with_sas(
        id, etag, keys.primary_key, keys.secondary_key, "disabled", status_reason="tested"
    )


def update_device_if_match(hub, id, etag, primary_key, secondary_key):
    return hub.update_device_with_sas(id, etag, primary_key, secondary_key, "enabled")


def delete_device(hub, id):
    hub.delete_device(id)


def create_devices(hub, ids, primary_key, secondary_key):
    keys = SymmetricKey(primary_key=primary_key, secondary_key=secondary_key)
    sas = AuthenticationMechanism(type="sas", symmetric_key=keys)
    made = [
        ExportImportDevice(id=id, import_mode="create", status="enabled", authentication=sas)
        for id in ids
    ]
    return hub.bulk_create_or_update_devices(made)


def delete_devices(hub, ids):
    return hub.bulk_create_or_update_devices(
        [ExportImportDevice(id=id, import_mode="delete") for id in ids]
    )


def create_module(hub, device, id, primary_key, secondary_key):
    return hub.create_module_with_sas(device, id, "tester", primary_key, secondary_key)


def module(hub, device, id):
    return hub.get_module(device, id)


def modules(hub, device):
    return hub.get_modules(device)


def delete_module(hub, device, id):
    hub.delete_module(device, id)


def twin(hub, id):
    return hub.get_twin(id)


def module_twin(hub, device, id):
    return hub.get_module_twin(device, id)


def patch_twin(hub, id, desired=None, tags=None, etag=None):
    patch = Twin(tags=tags, properties=TwinProperties(desired=desired))
    return hub.update_twin(id, patch, etag)


def patch_module_twin(hub, device, id, desired):
    return hub.update_module_twin(device, id, Twin(properties=TwinProperties(desired=desired)))


def invoke(hub, device, method, payload, module=None, response_timeout=10, connect_timeout=0):
    call = CloudToDeviceMethod(
        method_name=method,
        payload=payload,
        response_timeout_in_seconds=response_timeout,
        connect_timeout_in_seconds=connect_timeout,
    )
    if module:
        return hub.invoke_device_module_method(device, module, call)
    return hub.invoke_device_method(device, call)


def statistics(hub):
    return hub.get_device_registry_statistics()


def query(hub, text, page=None):
    found, continuation = [], None
    while True:
        answer = hub.query_iot_hub(QuerySpecification(query=text), continuation, page)
        found += answer.items
        continuation = answer.continuation_token
        if not continuation:
            return found


CALLS = {
    function.__name__: call(function)
    for function in [
        create_device,
        create_device_x509,
        create_device_ca,
        device,
        devices,
        disable_device,
        update_device_if_match,
        delete_device,
        create_devices,
        delete_devices,
        create_module,
        module,
        modules,
        delete_module,
        twin,
        module_twin,
        patch_twin,
        patch_module_twin,
        invoke,
        statistics,
        query,
    ]
}
