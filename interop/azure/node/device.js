// A device, or a module of one, on azure-iot-device.
'use strict';

const fs = require('fs');
const { Client, ModuleClient, Message } = require('azure-iot-device');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');
const { NoRetry } = require('azure-iot-common');

const trusted = fs.readFileSync(process.env.TRUSTED, 'utf8');
const clients = {};
const plain = (value) => JSON.parse(JSON.stringify(value));

// What came, by kind, and who waits for it.
class Came {
  constructor() {
    this.kept = {};
    this.waiting = {};
  }
  put(kind, value) {
    const waiting = (this.waiting[kind] || []).shift();
    if (waiting) waiting(value);
    else (this.kept[kind] = this.kept[kind] || []).push(value);
  }
  next(kind, seconds) {
    const kept = this.kept[kind] || [];
    if (kept.length) return Promise.resolve(kept.shift());
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting[kind] = this.waiting[kind].filter((one) => one !== done);
        reject(new Error(`no ${kind} within ${seconds} s`));
      }, seconds * 1000);
      const done = (value) => {
        clearTimeout(timer);
        resolve(value);
      };
      (this.waiting[kind] = this.waiting[kind] || []).push(done);
    });
  }
}

function make(credentials, transport, gateway) {
  const kind = credentials.module ? ModuleClient : Client;
  const over = transport === 'ws' ? MqttWs : Mqtt;
  if (credentials.token) return kind.fromSharedAccessSignature(credentials.token, over);
  let text = credentials.connection_string;
  if (credentials.cert) text = `HostName=${credentials.host};DeviceId=${credentials.device};x509=true`;
  if (gateway) text += `;GatewayHostName=${gateway}`;
  return kind.fromConnectionString(text, over);
}

async function create({ client, credentials, transport, gateway, model_id, retry }) {
  const sdk = make(credentials, transport, gateway);
  if (!retry) sdk.setRetryPolicy(new NoRetry());
  const options = { ca: trusted };
  if (model_id) options.modelId = model_id;
  if (credentials.cert) {
    options.cert = fs.readFileSync(credentials.cert, 'utf8');
    options.key = fs.readFileSync(credentials.key, 'utf8');
  }
  await sdk.setOptions(options);
  const came = new Came();
  sdk.on('disconnect', () => came.put('connection', false));
  sdk.on('error', (error) => came.put('error', String(error)));
  clients[client] = { sdk, came, answers: {}, twin: null };
}

async function connect({ client }) {
  await clients[client].sdk.open();
}

async function twinOf(client) {
  const one = clients[client];
  one.twin = one.twin || (await one.sdk.getTwin());
  return one.twin;
}

async function listen({ client, kinds }) {
  const { sdk, came } = clients[client];
  if (kinds.includes('message')) {
    const take = async (message) => {
      await sdk.complete(message);
      came.put('message', told(message));
    };
    // The SDK subscribes behind this and does not tell when it is done: the lab's log does.
    sdk.on('message', take);
  }
  if (kinds.includes('desired')) {
    // What the SDK already has comes first; after that, the patches.
    const twin = await twinOf(client);
    twin.on('properties.desired', (patch) => came.put('desired', plain(patch)));
  }
}

function told(message) {
  const properties = {};
  for (const { key, value } of message.properties.propertyList) properties[key] = value;
  const system = {};
  if (message.messageId) system.message_id = message.messageId;
  if (message.correlationId) system.correlation_id = message.correlationId;
  if (message.contentType) system.content_type = message.contentType;
  if (message.contentEncoding) system.content_encoding = message.contentEncoding;
  return { body: Buffer.from(message.getData()).toString('base64'), properties, system };
}

function answer({ client, method, status, payload }) {
  const { sdk, came } = clients[client];
  const take = (request, response) => {
    came.put('method', { name: request.methodName, payload: request.payload });
    response.send(status, payload).catch((error) => console.error(error));
  };
  if (sdk.onDeviceMethod) sdk.onDeviceMethod(method, take);
  else sdk.onMethod(method, take);
}

async function send({ client, body, properties, ...system }) {
  const message = new Message(body);
  if (system.message_id) message.messageId = system.message_id;
  if (system.correlation_id) message.correlationId = system.correlation_id;
  if (system.content_type) message.contentType = system.content_type;
  if (system.content_encoding) message.contentEncoding = system.content_encoding;
  for (const [name, value] of Object.entries(properties || {})) message.properties.add(name, value);
  await clients[client].sdk.sendEvent(message);
}

async function twin({ client }) {
  const twin = await twinOf(client);
  await twin.get();
  return plain(twin.properties);
}

async function report({ client, patch }) {
  const twin = await twinOf(client);
  await new Promise((resolve, reject) =>
    twin.properties.reported.update(patch, (error) => (error ? reject(error) : resolve())));
}

function upload({ client, name }) {
  return clients[client].sdk.getBlobSharedAccessSignature(name);
}

async function uploaded({ client, correlation, status }) {
  await clients[client].sdk.notifyBlobUploadStatus(correlation, status < 300, status, 'done');
}

function wait({ client, kind, seconds }) {
  return clients[client].came.next(kind, seconds);
}

async function close({ client }) {
  const { sdk } = clients[client];
  delete clients[client];
  sdk.removeAllListeners('disconnect');
  await sdk.close();
}

module.exports = { create, connect, listen, answer, send, twin, report, upload, uploaded, wait, close };
