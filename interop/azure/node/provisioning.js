// A registration on azure-iot-provisioning-device. It has no option for the trusted root: NODE_EXTRA_CA_CERTS names it.
'use strict';

const fs = require('fs');
const { ProvisioningDeviceClient } = require('azure-iot-provisioning-device');
const { Mqtt, MqttWs } = require('azure-iot-provisioning-device-mqtt');
const { SymmetricKeySecurityClient } = require('azure-iot-security-symmetric-key');
const { X509Security } = require('azure-iot-security-x509');

async function register({ host, scope, id, transport, key, cert, cert_key, payload }) {
  const security = key
    ? new SymmetricKeySecurityClient(id, key)
    : new X509Security(id, { cert: fs.readFileSync(cert, 'utf8'), key: fs.readFileSync(cert_key, 'utf8') });
  const over = transport === 'ws' ? new MqttWs() : new Mqtt();
  const client = ProvisioningDeviceClient.create(host, scope, over, security);
  if (payload !== undefined && payload !== null) client.setProvisioningPayload(payload);
  const state = await client.register();
  return { status: state.status, hub: state.assignedHub, device: state.deviceId, payload: state.payload };
}

module.exports = { register };
