// What a back end does, on azure-iothub.
'use strict';

const { Client, Registry } = require('azure-iothub');

const registry = (connection_string) => Registry.fromConnectionString(connection_string);
const sas = (primaryKey, secondaryKey) => ({ type: 'sas', symmetricKey: { primaryKey, secondaryKey } });
const plain = (value) => JSON.parse(JSON.stringify(value));
// The SDK hangs its registry on what it answers: only what the service said goes on.
const body = ({ responseBody }) => {
  const { _registry, properties, ...rest } = responseBody || {};
  if (Array.isArray(responseBody)) return responseBody.map((one) => body({ responseBody: one }));
  if (!properties) return plain(rest);
  const { desired, reported } = properties;
  return plain({ ...rest, properties: { desired, reported } });
};

const calls = {
  create_device: (hub, { id, primary_key, secondary_key, status }) =>
    hub.create({ deviceId: id, status: status || 'enabled', authentication: sas(primary_key, secondary_key) }),
  create_device_x509: (hub, { id, primary_thumbprint, secondary_thumbprint, status }) =>
    hub.create({
      deviceId: id,
      status: status || 'enabled',
      authentication: {
        type: 'selfSigned',
        x509Thumbprint: { primaryThumbprint: primary_thumbprint, secondaryThumbprint: secondary_thumbprint },
      },
    }),
  create_device_ca: (hub, { id, status }) =>
    hub.create({ deviceId: id, status: status || 'enabled', authentication: { type: 'certificateAuthority' } }),
  device: (hub, { id }) => hub.get(id),
  devices: (hub) => hub.list(),
  disable_device: async (hub, { id, etag }) => {
    const { authentication } = (await hub.get(id)).responseBody;
    return hub.update({ deviceId: id, etag, status: 'disabled', statusReason: 'tested', authentication });
  },
  // `update` sends `If-Match: *` whatever etag it is given.
  update_device_if_match: (hub, { id, etag, primary_key, secondary_key }) =>
    hub.updateDevices(
      [{ deviceId: id, etag, status: 'enabled', authentication: sas(primary_key, secondary_key) }],
      false,
    ),
  delete_device: (hub, { id }) => hub.delete(id),
  create_devices: (hub, { ids, primary_key, secondary_key }) =>
    hub.addDevices(ids.map((id) => ({ deviceId: id, status: 'enabled', authentication: sas(primary_key, secondary_key) }))),
  delete_devices: (hub, { ids }) => hub.removeDevices(ids.map((deviceId) => ({ deviceId })), true),
  create_module: (hub, { device, id, primary_key, secondary_key }) =>
    hub.addModule({
      deviceId: device,
      moduleId: id,
      managedBy: 'tester',
      authentication: sas(primary_key, secondary_key),
    }),
  module: (hub, { device, id }) => hub.getModule(device, id),
  modules: (hub, { device }) => hub.getModulesOnDevice(device),
  delete_module: (hub, { device, id }) => hub.removeModule(device, id),
  twin: (hub, { id }) => hub.getTwin(id),
  module_twin: (hub, { device, id }) => hub.getModuleTwin(device, id),
  patch_twin: (hub, { id, desired, tags, etag }) =>
    hub.updateTwin(id, { tags, properties: { desired } }, etag || '*'),
  patch_module_twin: (hub, { device, id, desired }) =>
    hub.updateModuleTwin(device, id, { properties: { desired } }, '*'),
  statistics: (hub) => hub.getRegistryStatistics(),
};

const exported = {};
for (const [name, call] of Object.entries(calls)) {
  exported[name] = async ({ connection_string, ...rest }) => body(await call(registry(connection_string), rest));
}

exported.invoke = async ({ connection_string, device, module, method, payload, response_timeout, connect_timeout }) => {
  const client = Client.fromConnectionString(connection_string);
  const call = {
    methodName: method,
    payload,
    responseTimeoutInSeconds: response_timeout || 10,
    connectTimeoutInSeconds: connect_timeout || 0,
  };
  const answer = module
    ? await client.invokeDeviceMethod(device, module, call)
    : await client.invokeDeviceMethod(device, call);
  return plain(answer.result);
};

exported.query = async ({ connection_string, text, page }) => {
  const query = registry(connection_string).createQuery(text, page);
  const found = [];
  do {
    // Without its token `next` asks for the first page for ever.
    const { result } = await query.next(query.continuationToken);
    found.push(...result);
  } while (query.hasMoreResults);
  return plain(found);
};

module.exports = exported;
