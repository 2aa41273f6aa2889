// The Node SDKs behind lines of JSON.
//
// Takes in one call a line, `{"call": "device.send", "arguments": {...}}`; gives out one answer a line, `{"ok": ...}` or
// `{"error": [{"type": ..., "text": ...}, ...]}`, the cause of an error behind it. `python/driver.py` takes the same calls.
'use strict';

const readline = require('readline');
const parts = {
  device: require('./device'),
  provisioning: require('./provisioning'),
  service: require('./service'),
};

// What a library prints must not get between the answers.
const answers = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr);
// An SDK that throws where nobody can catch is a result of the call that is running, not the end of the driver.
process.on('uncaughtException', (error) => console.error('uncaught:', error));

function chain(error) {
  const found = [];
  for (let at = error; at && found.length < 5; at = at.innerError || at.cause) {
    found.push({ type: at.name || at.constructor.name, text: String(at.message) });
  }
  return found;
}

async function answer(line) {
  const request = JSON.parse(line);
  const [part, name] = request.call.split('.');
  try {
    const value = await parts[part][name](request.arguments);
    return { ok: value === undefined ? null : value };
  } catch (error) {
    console.error(error);
    return { error: chain(error) };
  }
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    answers(JSON.stringify(await answer(line)) + '\n');
  }
  process.exit(0);
})();
