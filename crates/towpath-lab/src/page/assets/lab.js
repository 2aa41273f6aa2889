// The page's script. The server makes the HTML; this swaps the parts that changed in, and calls the lab's API.
"use strict";

const root = document.documentElement;
const $ = (id) => document.getElementById(id);

// ---- Colours

{
  const button = $("theme");
  const show = () => { button.textContent = root.dataset.theme ?? "auto"; };
  button.hidden = false;
  show();
  button.addEventListener("click", () => {
    const next = { auto: "dark", dark: "light", light: "auto" }[root.dataset.theme ?? "auto"];
    if (next === "auto") delete root.dataset.theme;
    else root.dataset.theme = next;
    try { localStorage.setItem("theme", next); } catch { /* It holds for this page then. */ }
    show();
  });
}

// ---- What is said: briefly on the screen, and to screen readers

let saidTimer = 0;
function say(text, bad = false) {
  const box = $("said");
  box.textContent = text;
  box.classList.toggle("bad", bad);
  box.classList.add("shown");
  clearTimeout(saidTimer);
  saidTimer = setTimeout(() => box.classList.remove("shown"), bad ? 8000 : 3000);
}

// ---- The lab's API

class Refused extends Error {}

async function call(method, path, body, headers = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: { "Content-Type": "application/json", "X-Towpath-Lab": "page", ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Refused("The lab does not answer.");
  }
  const text = await answer.text();
  let json;
  try { json = text ? JSON.parse(text) : undefined; } catch { json = undefined; }
  if (!answer.ok) {
    const error = json?.error;
    throw new Refused(error ? `${error.code}: ${error.message}` : `${answer.status}: ${text || answer.statusText}`);
  }
  return { json };
}

// Runs what a button or form asks for; a refusal is shown in `output`, or said.
async function doing(button, output, work) {
  if (button) button.disabled = true;
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (output) result(output, error.message, true);
    else say(error.message, true);
  } finally {
    if (button) button.disabled = false;
  }
}

function result(output, text, bad = false) {
  output.textContent = text;
  output.classList.toggle("bad", bad);
  output.classList.toggle("good", !bad);
}

// ---- Times

const skew = Number(root.dataset.now) - Date.now();

function age(ms) {
  const ahead = ms < -2000;
  const s = Math.floor(Math.abs(ms) / 1000);
  const text = s < 2 ? "now"
    : s < 120 ? `${s} s`
    : s < 7200 ? `${Math.floor(s / 60)} min`
    : s < 172800 ? `${Math.floor(s / 3600)} h`
    : `${Math.floor(s / 86400)} days`;
  if (text === "now") return text;
  return ahead ? `in ${text}` : `${text} ago`;
}

function ages(within = document) {
  const now = Date.now() + skew;
  for (const time of within.querySelectorAll("time[data-ago]")) {
    const text = age(now - Date.parse(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
}

ages();
setInterval(ages, 1000);

// ---- Parts that change: only what differs is touched, so that focus, open boxes and selections stay

function morph(from, to) {
  let have = from.firstChild;
  for (const want of [...to.childNodes]) {
    if (want.id && have?.id !== want.id) {
      const found = [...from.children].find((child) => child.id === want.id);
      if (found) from.insertBefore(found, have);
      else from.insertBefore(want.cloneNode(true), have);
      have = (found ?? have?.previousSibling ?? from.lastChild).nextSibling;
      if (found) morphNode(found, want);
      continue;
    }
    if (!have) {
      from.append(want);
      continue;
    }
    const next = have.nextSibling;
    if (have.nodeType === want.nodeType && have.nodeName === want.nodeName && (have.id ?? "") === (want.id ?? "")) {
      morphNode(have, want);
      have = next;
    } else if (have.id && !want.id) {
      from.insertBefore(want, have);
    } else {
      have.replaceWith(want);
      have = next;
    }
  }
  while (have) {
    const next = have.nextSibling;
    have.remove();
    have = next;
  }
}

function morphNode(have, want) {
  if (have.nodeType !== Node.ELEMENT_NODE) {
    if (have.data !== want.data) have.data = want.data;
    return;
  }
  // The script's own, or the reader's.
  const kept = (name) => have.nodeName === "DETAILS" && name === "open";
  for (const { name, value } of [...want.attributes]) {
    if (!kept(name) && have.getAttribute(name) !== value) have.setAttribute(name, value);
  }
  for (const { name } of [...have.attributes]) {
    if (!kept(name) && name !== "hidden" && !want.hasAttribute(name)) have.removeAttribute(name);
  }
  if (have.nodeName === "TIME" && have.hasAttribute("data-ago")) return;
  if (["INPUT", "TEXTAREA", "SELECT"].includes(have.nodeName)) return;
  morph(have, want);
}

const after = {};

function part({ id, html }) {
  const element = $(id);
  if (!element) return;
  const template = document.createElement("template");
  template.innerHTML = html;
  morph(element, template.content);
  ages(element);
  after[id]?.();
}

// ---- Lists that grow at the top

const MOST = 1000;
let paused = false;

function lines({ list, last, html }) {
  const element = $(list);
  if (!element || paused) return;
  element.dataset.last = last;
  const template = document.createElement("template");
  template.innerHTML = html;
  // Who has scrolled down reads: the lines stay where they are.
  const top = element.scrollTop;
  const height = element.scrollHeight;
  element.prepend(template.content);
  if (top > 0) element.scrollTop = top + element.scrollHeight - height;
  while (element.children.length > MOST) element.lastElementChild.remove();
}

$("pause")?.addEventListener("click", ({ currentTarget }) => {
  paused = !paused;
  currentTarget.setAttribute("aria-pressed", paused);
  currentTarget.textContent = paused ? "Go on" : "Pause";
  if (!paused) follow();
});

// ---- The stream. One for each page, and none while the page can't be seen: browsers have six for all of them.

let stream = null;
let retry = 0;

function address() {
  const path = location.pathname === "/" ? "/overview" : location.pathname;
  const query = new URLSearchParams(location.search);
  for (const list of ["messages", "records"]) {
    const last = $(list)?.dataset.last;
    if (last !== undefined) query.set(list, last);
  }
  return `/live${path}?${query}`;
}

function follow() {
  stream?.close();
  stream = null;
  clearTimeout(retry);
  if (root.dataset.live === undefined || document.hidden) return;
  stream = new EventSource(address());
  stream.addEventListener("open", () => connected(true));
  stream.addEventListener("part", (event) => part(JSON.parse(event.data)));
  stream.addEventListener("lines", (event) => lines(JSON.parse(event.data)));
  stream.addEventListener("stale", () => location.reload());
  stream.addEventListener("error", () => {
    connected(false);
    stream?.close();
    clearTimeout(retry);
    retry = setTimeout(follow, 1000);
  });
}

function connected(yes) {
  $("lost").hidden = yes;
  const state = $("state");
  if (!state) return;
  state.classList.toggle("off", !yes);
  state.lastElementChild.textContent = yes ? "live" : "lost";
}

document.addEventListener("visibilitychange", follow);
addEventListener("pagehide", () => stream?.close());
addEventListener("pageshow", (event) => { if (event.persisted) follow(); });
follow();

// ---- Filters: the address changes, and what it shows is fetched

for (const form of document.querySelectorAll("form[data-filter]")) {
  let typing = 0;
  const apply = async () => {
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value !== "") query.set(name, value);
    const address = `${location.pathname}?${query}`;
    const answer = await fetch(address).catch(() => null);
    if (!answer?.ok) return;
    history.replaceState(null, "", address);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const id of ["devices", "records"]) {
      const have = $(id);
      const want = page.getElementById(id);
      if (!have || !want) continue;
      have.replaceChildren(...want.childNodes);
      if (want.dataset.last !== undefined) have.dataset.last = want.dataset.last;
      ages(have);
    }
    follow();
  };
  form.addEventListener("submit", (event) => { event.preventDefault(); apply(); });
  form.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(apply, 200); });
}

// ---- Faults

const device = $("device");

function scoped() {
  const setting = {};
  const times = ($("times") ?? document.querySelector("[data-scope] [name=times]"))?.value;
  if (times) setting.times = Number(times);
  if (device) {
    setting.device = device.dataset.device;
    return setting;
  }
  const form = document.querySelector("[data-scope]");
  for (const name of ["device", "host", "listener"]) {
    const value = form?.elements[name].value.trim();
    if (value) setting[name] = value;
  }
  return setting;
}

async function switchOff(numbers) {
  for (const number of numbers) await call("DELETE", `/api/faults/${number}`);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-faults] button");
  if (!button) return;
  const name = button.dataset.fault;
  doing(null, null, async () => {
    if (!name || button.getAttribute("aria-checked") === "true") {
      await switchOff(button.dataset.off.split(" ").filter(Boolean));
      say(name ? `${name} is off` : "Switched off");
      return;
    }
    const setting = { fault: name, ...scoped() };
    const field = button.closest("li").querySelector(".value");
    if (field && field.value !== "") setting.value = field.type === "number" ? Number(field.value) : field.value;
    await call("POST", "/api/faults", setting);
    say(`${name} is on`);
  });
});

$("all-off")?.addEventListener("click", ({ currentTarget }) => doing(currentTarget, null, async () => {
  await call("DELETE", "/api/faults");
  say("All faults are off");
}));

$("fault-filter")?.addEventListener("input", ({ currentTarget }) => sift(currentTarget.value));

function sift(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  for (const group of document.querySelectorAll("details.faults")) {
    let any = false;
    for (const item of group.querySelectorAll(".fault")) {
      item.hidden = !words.every((word) => item.dataset.words.includes(word));
      any ||= !item.hidden;
    }
    group.hidden = !any;
    if (words.length && any) group.open = true;
  }
}

// ---- Forms: Ctrl and Enter in a field of several lines does what the button does

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.nodeName === "TEXTAREA") {
    event.target.form?.requestSubmit();
  }
});

// ---- A device

if (device) {
  const api = device.dataset.api;

  $("copy").addEventListener("click", ({ currentTarget }) => doing(currentTarget, null, async () => {
    const { json } = await call("GET", `${api}/connection-string`);
    const text = json?.connection_string ?? "";
    await navigator.clipboard.writeText(text).catch(() => { throw new Refused("The browser does not let the page copy."); });
    say("The connection string is on the clipboard; it has the device's key.");
  }));

  $("disconnect").addEventListener("click", ({ currentTarget }) => doing(currentTarget, null, async () => {
    await call("POST", `${api}/disconnect`, {});
    say("The hub ends the connection.");
  }));

  method($("method"), api);
  cloudToDevice($("c2d"), api);
  twin($("desired"), api);
}

function json(text, what) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Refused(`${what} is not JSON: ${error.message}`);
  }
}

function method(form, api) {
  const { name, payload, timeout } = form.elements;
  const output = form.querySelector("output");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    doing(form.querySelector("button"), output, async () => {
      const body = { payload: json(payload.value.trim() || "null", "The payload"), timeout_s: Number(timeout.value) || 10 };
      result(output, "The device is asked …");
      const began = performance.now();
      const answer = await call("POST", `${api}/methods/${encodeURIComponent(name.value)}`, body);
      const took = Math.round(performance.now() - began);
      result(output, `status ${answer.json?.status} after ${took} ms\n${JSON.stringify(answer.json?.payload, null, 2)}`);
    });
  });
}

function cloudToDevice(form, api) {
  const output = form.querySelector("output");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    doing(form.querySelector("button"), output, async () => {
      const { body, properties, ttl } = form.elements;
      const message = { body: body.value, properties: {}, system: {} };
      for (const line of properties.value.split("\n").filter((line) => line.trim())) {
        const at = line.indexOf("=");
        if (at < 1) throw new Refused(`Properties: "${line}" is not name=value.`);
        message.properties[line.slice(0, at).trim()] = line.slice(at + 1).trim();
      }
      const id = form.elements["message-id"].value.trim();
      if (id) message.system["message-id"] = id;
      if (ttl.value) message.ttl_s = Number(ttl.value);
      const answer = await call("POST", `${api}/messages`, message);
      result(output, `Queued as number ${answer.json?.sequence}.`);
    });
  });
}

// What turns `before` into `after` (RFC 7396): only what differs, null for what is gone.
function difference(before, after) {
  const plain = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
  const patch = {};
  for (const key of Object.keys(before)) if (!Object.hasOwn(after, key)) patch[key] = null;
  for (const [key, value] of Object.entries(after)) {
    const old = Object.hasOwn(before, key) ? before[key] : undefined;
    if (plain(old) && plain(value)) {
      const inner = difference(old, value);
      if (Object.keys(inner).length) patch[key] = inner;
    } else if (JSON.stringify(old) !== JSON.stringify(value)) {
      patch[key] = value;
    }
  }
  return patch;
}

function twin(form, api) {
  const text = form.elements.desired;
  const output = form.querySelector("output");
  const [save, discard] = form.querySelectorAll("button");
  const now = () => $("twin-now").firstElementChild;
  // What the editor began with.
  let base = { text: now().value, etag: now().dataset.etag, version: now().dataset.version };

  const show = () => {
    const edited = text.value !== base.text;
    const newer = Number(now().dataset.version) > Number(base.version);
    discard.hidden = !edited;
    $("desired-newer").hidden = !(edited && newer);
  };
  const load = () => {
    base = { text: now().value, etag: now().dataset.etag, version: now().dataset.version };
    text.value = base.text;
    show();
  };
  // An editor without changes follows the lab; one with changes is the reader's.
  after["twin-now"] = () => {
    if (text.value === base.text && Number(now().dataset.version) >= Number(base.version)) load();
    else show();
  };
  text.addEventListener("input", show);
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    load();
    result(output, "");
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    doing(save, output, async () => {
      const wanted = json(text.value.trim() || "{}", "This");
      if (wanted === null || typeof wanted !== "object" || Array.isArray(wanted)) {
        throw new Refused("Desired properties are an object: { … }.");
      }
      const patch = difference(JSON.parse(base.text), wanted);
      if (!Object.keys(patch).length) {
        load();
        result(output, "Nothing changed.");
        return;
      }
      // The version that the reader saw: somebody else's change is not overwritten unseen.
      const match = { "If-Match": `"${base.etag}"` };
      const sent = text.value;
      const { json: twin } = await call("PATCH", `${api}/twin`, { properties: { desired: patch } }, match);
      const version = twin.properties.desired.$version;
      base = { text: sent, etag: twin.etag, version: String(version) };
      show();
      result(output, `Saved as version ${version}.`);
    });
  });
}
