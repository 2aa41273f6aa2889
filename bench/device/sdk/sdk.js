// The official Node SDK as the client that `order.rs` describes: a line of JSON in, lines of JSON out.
'use strict';

const fs = require('fs');
const { Client, Message } = require('azure-iot-device');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');
const { ProvisioningDeviceClient } = require('azure-iot-provisioning-device');
const { Mqtt: DpsMqtt, MqttWs: DpsMqttWs } = require('azure-iot-provisioning-device-mqtt');
const { SymmetricKeySecurityClient } = require('azure-iot-security-symmetric-key');

const BODY = '{"temperature":21.5,"humidity":48.25,"battery":3.012,"seq":1000}';

const order = JSON.parse(fs.readFileSync(0, 'utf8'));
const ca = fs.readFileSync(`${order.folder}/root.pem`, 'utf8');
const say = (what) => fs.writeSync(1, JSON.stringify(what) + '\n');
const micros = () => Math.round((performance.timeOrigin + performance.now()) * 1000);

function memoryKb(what) {
  const line = fs.readFileSync('/proc/self/status', 'utf8').split('\n').find((one) => one.startsWith(what));
  return Number(line.split(/\s+/)[1]);
}

function message() {
  const one = new Message(BODY);
  one.properties.add('unit', 'celsius');
  one.properties.add('alert', 'no');
  return one;
}

async function make(hub, device) {
  const how = order.key ? `SharedAccessKey=${order.key}` : 'x509=true';
  const over = order.transport === 'wss' ? MqttWs : Mqtt;
  const client = Client.fromConnectionString(`HostName=${hub};DeviceId=${device};${how}`, over);
  const options = { ca };
  if (!order.key) {
    options.cert = fs.readFileSync(`${order.folder}/x509.pem`, 'utf8');
    options.key = fs.readFileSync(`${order.folder}/x509.key`, 'utf8');
  }
  await client.setOptions(options);
  return client;
}

async function registered() {
  const [host, scope] = order.dps;
  const over = order.transport === 'wss' ? new DpsMqttWs() : new DpsMqtt();
  const key = new SymmetricKeySecurityClient(order.device, order.key);
  const state = await ProvisioningDeviceClient.create(host, scope, over, key).register();
  return [state.assignedHub, state.deviceId];
}

async function start() {
  let began = micros();
  const place = order.dps ? await registered() : [order.hub, order.device];
  const client = await make(...place);
  for (let round = 0; round < 2; round++) {
    await client.open();
    await client.sendEvent(message());
    say({ began, acknowledged: micros() });
    await client.close();
    began = micros();
  }
}

async function flow({ count, at_once }) {
  const client = await make(order.hub, order.device);
  await client.open();
  const connected_kb = memoryKb('VmRSS');
  const before = process.cpuUsage();
  const began = performance.now();
  let left = count;
  const sender = async () => {
    while (left-- > 0) await client.sendEvent(message());
  };
  await Promise.all(Array.from({ length: at_once }, sender));
  const wall = (performance.now() - began) / 1000;
  const used = process.cpuUsage(before);
  const user = used.user / 1e6;
  say({ user, cpu: user + used.system / 1e6, wall, connected_kb, most_kb: memoryKb('VmHWM') });
  await client.close();
}

(order.work === 'start' ? start() : flow(order.work.flow)).then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  });
