// Lethe's browser SDK. sdk.js and sdk.mjs are built from it (go generate ./functions/ingest).
//
//   track, identify, alias, set ─▶ allowed? ─▶ queue ─▶ batches ─▶ /track, /engage
//   optIn, optOut, clearConsent ─▶ statement ─▶ /consent
//
// On the device there are, in localStorage unless told otherwise, and only while allowed:
//
//   lethe_TOKEN                  the entry {id, user, proof, consent, said, say, def, at}; once opted out
//                                {out: 1}, with {said, erase} until the server knows
//   lethe_TOKEN_TIME-N-RANDOM    one waiting item: its path, a space, its JSON
//
// Each item has a key of its own, so that tabs never write the same one. Whatever is sent
// twice, by a retry, another tab or the next page, has the same $insert_id and counts once.

const KEEPALIVE = 60000; // bytes; browsers give all that outlives a page 64 KiB
const TIMEOUT = 30000; // milliseconds for one request
const MAX_DELAY = 300000; // milliseconds between two tries, unless the server asks for more
const UNTOLD = 2000; // milliseconds that a grant has to be stored, of which the server does not tell
const YEAR = 31536000; // seconds that a cookie lives

const DEFAULTS = {
  host: new URL(import.meta.url).origin,
  default: undefined,
  persistence: "localStorage",
  cookieDomain: "",
  respectGPC: true,
  respectDNT: false,
  batchSize: 50,
  flushInterval: 5000,
  queueSize: 1000,
  retryDelay: 1000,
  consentInterval: 300000,
};

let token, options, name;
let jar, disk; // where the entry is, and where the queue
let who, sure; // the last identify of this page, and its proof: in memory, also where nothing may be stored
let def; // the default that the server told, where there is no entry
let held = []; // calls made before the default is known
let own = new Set(); // keys of items of this page
let leaving = new Set(); // keys of items sent while the page was hidden
let requests = new Set(); // AbortControllers of items under way
let sleepers = new Set();
let statement; // what the person has said and the server does not know yet
let dropped = 0, count = 0;
let failures = 0, notBefore = 0, refused = false;
let timer, busy, looked;

// ---- what the device holds

const memory = (map = new Map()) => ({
  get: (key) => map.get(key),
  set: (key, value) => map.set(key, value),
  remove: (key) => map.delete(key),
  keys: () => [...map.keys()],
});

const local = {
  get: (key) => localStorage.getItem(key),
  set: (key, value) => localStorage.setItem(key, value),
  remove: (key) => localStorage.removeItem(key),
  keys: () => Object.keys(localStorage),
};

const cookie = {
  get(key) {
    const found = document.cookie.split("; ").find((c) => c.startsWith(key + "="));
    return found && decodeURIComponent(found.slice(key.length + 1));
  },
  set(key, value, age = YEAR) {
    document.cookie = `${key}=${encodeURIComponent(value)}; Path=/; Max-Age=${age}; SameSite=Lax` +
      (location.protocol === "https:" ? "; Secure" : "") + (options.cookieDomain ? "; Domain=" + options.cookieDomain : "");
  },
  remove: (key) => cookie.set(key, "", 0),
};

function load() {
  try {
    return JSON.parse(jar.get(name)) || {};
  } catch {
    return {};
  }
}

function save(entry) {
  try {
    jar.set(name, JSON.stringify(entry));
  } catch {}
  if (!jar.get(name)) { // full, or the person allows no storage
    jar = memory();
    save(entry);
  }
}

// entry is that of the person, which it makes if there is none.
function entry() {
  let s = load();
  if (!s.id) {
    s = { ...s, ...fresh(), def, at: who ? 0 : Date.now() };
    save(s);
  }
  return s;
}

// fresh is who a new entry is of: whom the app has named, or this device.
const fresh = () => (who ? { id: who, user: true, proof: sure } : { id: "$device:" + random(), user: false });

// self is who speaks, as far as anybody is known.
function self() {
  const { id, proof } = load();
  return id ? { distinct_id: id, proof } : who && { distinct_id: who, proof: sure };
}

// proofOf is that of an id, if the entry is of it.
function proofOf(id) {
  const s = load();
  return s.id === id ? s.proof : undefined;
}

// wipe removes all that is on the device, and leaves the mark of who has opted out.
function wipe(mark) {
  held = [];
  own.clear();
  keys().forEach(disk.remove);
  jar.remove(name);
  if (mark) save(mark);
}

const keys = () => disk.keys().filter((key) => key.startsWith(name + "_")).sort();

function random() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => (b + 256).toString(16).slice(1)).join("");
}

// ---- consent

// allowed says whether the person may be recorded; undefined while that is to be asked.
function allowed() {
  const s = load();
  if (s.out) return false;
  if (s.consent) return true;
  if (options.respectGPC && navigator.globalPrivacyControl) return false;
  if (options.respectDNT && navigator.doNotTrack === "1") return false;
  const d = options.default || s.def || def;
  return d && d === "granted";
}

// act does what needs consent: now, never, or once the default is known.
function act(what) {
  if (!token) return console.warn("lethe: call init first");
  const may = allowed();
  if (may) return attempt(what);
  if (may === undefined) {
    held.push(what);
    if (held.length > options.queueSize) held.shift(), dropped++;
    flush();
  }
}

function attempt(what) {
  try {
    what();
  } catch (err) { // properties that have no JSON must not break the page
    dropped++;
    console.warn("lethe: not recorded:", err);
  }
}

const standing = (id, proof) =>
  call("/consent?token=" + encodeURIComponent(token), undefined, id && {
    "Lethe-Distinct-Id": encodeURIComponent(id), ...(proof && { "Lethe-Identity-Proof": proof }) });

// told says whether the server tells this page what somebody has said: of a device, or with
// proof.
const told = (id, proof) => !!proof || id.startsWith("$device:");

// check learns what the person has said on other devices, if that is told, and what the
// default is now.
async function check() {
  const { id, proof } = load();
  const asked = told(id, proof);
  let answer;
  try {
    answer = await standing(asked ? id : undefined, proof);
  } catch (err) {
    if (!err.permanent || !proof) throw err;
    const s = load();
    if (s.proof === proof) save({ ...s, proof: undefined }); // it has expired, say
    return;
  }
  const s = load();
  if (s.id !== id || statement) return; // something newer was said meanwhile
  if (answer.state === "denied") return wipe({ out: 1 });
  if (answer.state === "granted") s.consent = "granted";
  else if (s.consent && !s.at) s.say = 1; // was said before the person was identified
  else if (asked) delete s.consent;
  s.def = answer.default;
  s.at = Date.now();
  save(s);
}

// tell brings a statement to the server. One that grants is known there before the
// next event is sent, or the event could overtake it and be dropped; where the server does
// not tell, it has a while.
async function tell(said, erase) {
  requests.forEach((abort) => abort.abort()); // what was said before must not arrive after it
  failures = notBefore = 0;
  const mine = statement = {
    requests: [["/consent", JSON.stringify({ token, ...said })]],
  };
  if (erase) mine.requests.unshift(["/engage", JSON.stringify([{ $token: token, $distinct_id: said.distinct_id, $identity_proof: said.proof, $delete: "" }])]);
  for (let asked = 0; statement === mine; ) {
    try {
      while (mine.requests.length) {
        await call(...mine.requests[0], undefined, requests);
        mine.requests.shift();
      }
      if (said.state === "denied" || asked > 8) break;
      if (!told(said.distinct_id, said.proof)) {
        await sleep(UNTOLD);
        break;
      }
      if ((await standing(said.distinct_id, said.proof)).state === said.state) break;
      await sleep(50 * 2 ** asked++);
    } catch (err) {
      if (err.permanent && said.proof) { // it has expired, say; the token may say it too
        const { proof } = said;
        said = { ...said, proof: undefined };
        mine.requests = mine.requests.map(([path, body]) => [path, without(proof, body)]);
      } else if (err.permanent) {
        console.warn("lethe: the consent was refused:", err.message);
        break;
      } else await sleep(backoff(err));
    }
  }
  if (statement !== mine) return;
  statement = undefined;
  const s = load();
  if (s.out) save({ out: 1 });
  else if (s.id === said.distinct_id) {
    delete s.say;
    s.at = Date.now();
    save(s);
  }
  await flush();
}

// without takes a proof out of a request.
const without = (proof, body) => JSON.stringify(JSON.parse(body), (_, v) => (v === proof ? undefined : v));

// ---- the network

async function call(path, body, headers, group) {
  const abort = new AbortController();
  const late = setTimeout(() => abort.abort(), TIMEOUT);
  if (group) group.add(abort);
  try {
    const res = await fetch(options.host + path, { ...request(body), headers, signal: abort.signal });
    const text = await res.text();
    if (!res.ok) {
      throw Object.assign(new Error("HTTP " + res.status), {
        answered: true,
        permanent: res.status < 500 && ![408, 425, 429].includes(res.status),
        wait: retryAfter(res.headers.get("Retry-After")),
      });
    }
    failures = 0;
    return JSON.parse(text);
  } finally {
    clearTimeout(late);
    if (group) group.delete(abort);
  }
}

// request sends text/plain, for which browsers need not ask the server first, and never
// the page's path or a cookie.
const request = (body) => ({ method: body ? "POST" : "GET", body, credentials: "omit", cache: "no-store", referrerPolicy: "origin" });

function retryAfter(text) {
  const ms = /^\d+$/.test(text) ? text * 1000 : Date.parse(text) - Date.now();
  return ms > 0 ? Math.min(ms, 3600000) : 0;
}

// backoff is exponential with full jitter, and at least what the server asks for.
function backoff(err) {
  const d = Math.random() * Math.min(MAX_DELAY, options.retryDelay * 2 ** failures++);
  return Math.max(err.wait || 0, d);
}

const sleep = (ms) => new Promise((resolve) => {
  const wake = () => (clearTimeout(late), sleepers.delete(wake), resolve());
  const late = setTimeout(wake, ms);
  sleepers.add(wake);
});

// ---- the queue

function enqueue(path, item) {
  const key = `${name}_${Date.now()}-${String(++count).padStart(6, "0")}-${random().slice(0, 8)}`;
  const text = path + " " + JSON.stringify(item);
  try {
    disk.set(key, text);
  } catch { // full
    drop(Math.ceil(keys().length / 2));
    disk.set(key, text);
  }
  own.add(key);
  const n = keys().length;
  drop(n - options.queueSize);
  n >= options.batchSize ? flush() : schedule(options.flushInterval);
}

// drop makes room by the n oldest items.
function drop(n) {
  if (n > 0) keys().slice(0, n).forEach((key) => (remove(key), dropped++));
}

function remove(key) {
  own.delete(key);
  disk.remove(key);
}

// take finds items of one path, the oldest first, of so many bytes at most. Those of
// another tab are left to it, unless it has had its time.
function take(room, path, skip) {
  const batch = { path, keys: [], items: [] };
  for (const key of keys()) {
    const age = Date.now() - parseInt(key.slice(name.length + 1), 10);
    if (skip && skip.has(key) || !own.has(key) && age < 2 * options.flushInterval) continue;
    const [, to, item] = /^(\/\w+) ([^]*)$/.exec(disk.get(key) || "") || []; // JSON has U+2028 as it is
    if (!to) {
      remove(key); // damaged
      continue;
    }
    if (to !== (batch.path = batch.path || to)) continue;
    room -= new TextEncoder().encode(item).length + 2;
    if (room < 0 && (skip || batch.keys.length) || batch.keys.length >= options.batchSize) break;
    batch.keys.push(key);
    batch.items.push(item);
  }
  batch.body = "[" + batch.items + "]";
  return batch;
}

function schedule(ms) {
  timer = timer || setTimeout(() => (timer = 0, flush()), ms);
}

async function drain() {
  for (let checked; ; ) {
    if (allowed() === undefined) {
      const answer = await standing();
      def = answer.default;
    }
    const acts = held;
    held = [];
    if (!allowed()) {
      const s = load();
      if (s.id || keys().length) wipe(s.out && s);
      if (s.out && s.said && !statement) tell(s.said, s.erase); // the page on which it was said was closed too soon
      return;
    }
    acts.forEach(attempt);
    if (statement) return; // it calls flush when it is through
    const s = load();
    if (s.say) return void tell({ ...s.said, ...self() });
    const batch = take(KEEPALIVE);
    if (!checked && s.id && Date.now() - s.at > options.consentInterval && (!looked || batch.keys.length)) {
      looked = checked = true;
      await check();
      continue;
    }
    looked = true;
    if (!batch.keys.length) return;
    try {
      await call(batch.path, batch.body, undefined, requests);
    } catch (err) {
      if (!err.permanent) throw err;
      dropped += batch.keys.length;
      console.warn("lethe: events were refused:", err.message);
    }
    batch.keys.forEach(remove);
  }
}

/** Sends what waits, unless the server has asked for a pause. */
export function flush() {
  if (busy || !token || navigator.onLine === false) return Promise.resolve(busy);
  clearTimeout(timer);
  timer = 0;
  const pause = notBefore - Date.now();
  if (pause > 0) return Promise.resolve(schedule(pause));
  const done = (pause) => {
    busy = undefined;
    if (held.length || keys().length || !looked) schedule(pause);
  };
  return busy = Promise.resolve().then(drain).then(() => done(options.flushInterval), (err) => {
    refused = err.answered;
    const pause = backoff(err);
    notBefore = Date.now() + pause;
    done(pause);
  });
}

// leave sends what fits while the page is hidden: it may be closed then without notice.
// Of what is sent so, the next page sends again what it does not know to have arrived.
function leave() {
  let room = KEEPALIVE;
  for (const [path, body] of (statement || { requests: [] }).requests) {
    if ((room -= new TextEncoder().encode(body).length) > 0) post(path, body).catch(() => {});
  }
  if (!allowed()) return;
  for (const path of ["/track", "/engage"]) {
    const batch = take(room - 2, path, leaving);
    if (!batch.keys.length) continue;
    room -= new TextEncoder().encode(batch.body).length;
    batch.keys.forEach((key) => leaving.add(key));
    post(path, batch.body)
      .then((arrived) => arrived && batch.keys.forEach(remove), () => {})
      .then(() => batch.keys.forEach((key) => leaving.delete(key)));
  }
}

async function post(path, body) {
  if ("keepalive" in Request.prototype) return (await fetch(options.host + path, { ...request(body), keepalive: true })).ok;
  navigator.sendBeacon(options.host + path, body); // whether it arrives nobody tells
}

function listen() {
  addEventListener("online", () => {
    if (!refused) notBefore = 0;
    sleepers.forEach((wake) => wake());
    flush();
  });
  addEventListener("pagehide", leave);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") return leave();
    looked = false;
    flush();
  });
}

// ---- what an app calls; sdk.d.ts says more

/** Starts the SDK. Stores nothing, and sends at most the question what the default is. */
export function init(t, o) {
  if (!t || typeof t !== "string") throw new TypeError("lethe: init needs the project's SDK token");
  const all = { ...DEFAULTS, ...o };
  if (![undefined, "granted", "denied"].includes(all.default)) throw new TypeError('lethe: default must be "granted" or "denied", or left out');
  if (!["localStorage", "cookie", "none"].includes(all.persistence)) throw new TypeError('lethe: persistence must be "localStorage", "cookie" or "none"');
  if (!token) listen();
  token = t;
  options = all;
  name = "lethe_" + t.replace(/[^\w.-]/g, "");
  try {
    disk = all.persistence !== "none" && localStorage ? local : memory();
  } catch { // the browser allows none
    disk = memory();
  }
  jar = all.persistence === "cookie" ? cookie : disk;
  flush();
}

/** Records an event, with its properties and nothing else. */
export function track(event, properties) {
  const item = { event: String(event), properties: { ...properties, token, time: Date.now(), $insert_id: random() } };
  act(() => {
    const { id, proof } = entry();
    enqueue("/track", { ...item, properties: { ...item.properties, distinct_id: id, $identity_proof: proof } });
  });
}

// link records that two ids are one person.
function link(event, distinct_id, properties) {
  enqueue("/track", { event, properties: { ...properties, token, distinct_id, $identity_proof: proofOf(distinct_id), time: Date.now(), $insert_id: random() } });
}

/** Names the person, with the app's proof of it. What was done before on this device is hers. */
export function identify(id, { proof } = {}) {
  id = String(id);
  who = id;
  sure = proof;
  act(() => {
    const s = entry();
    const { id: old, user, def, ...rest } = s;
    if (old !== id) {
      // Somebody else on the same device is not the same person, and has not said the same.
      save({ ...(user ? {} : rest), id, user: true, proof, def, at: 0 });
      if (!user) link("$identify", id, { $identified_id: id, $anon_distinct_id: old });
    } else if (proof) save({ ...s, proof });
    looked = false; // she may have opted out elsewhere
    flush();
  });
}

/** Says that another id is the same person. */
export function alias(other, original) {
  act(() => link("$create_alias", original || entry().id, { alias: String(other) }));
}

/** Sets properties of the person's profile. */
export function set(properties) {
  act(() => {
    const { id, proof } = entry();
    enqueue("/engage", { $token: token, $distinct_id: id, $identity_proof: proof, $set: properties });
  });
}

/** Forgets the person on this device, say at logout; the mark of an opt-out stays. */
export function reset() {
  started();
  who = sure = undefined;
  const s = load();
  if (s.out) return;
  leave();
  def = s.def || def;
  jar.remove(name);
  if (!allowed()) wipe();
}

function started() {
  if (!token) throw new Error("lethe: call init first");
}

const word = (yes) => (yes === true || yes === "granted" ? "granted" : "denied");

function say(state, { purposes, basis, noticeVersion } = {}) {
  const said = { state, basis, notice_version: noticeVersion };
  if (purposes) {
    said.purposes = {};
    for (const p of Object.keys(purposes)) said.purposes[p] = word(purposes[p]);
  }
  return said;
}

/** Grants consent. Done once the server knows. */
export function optIn(o) {
  started();
  const { out, erase, ...old } = load();
  const said = say("granted", o);
  save({ def, ...(old.id ? old : { ...old, ...fresh() }), consent: "granted", said, say: 1, at: 0 });
  return tell({ ...said, ...self() });
}

/** Takes consent back: clears the device at once, but for what the server is yet to be told; done once it knows. */
export function optOut(o = {}) {
  started();
  const by = self();
  const said = by && { ...say("denied", o), ...by };
  wipe({ out: 1, said, erase: o.erase });
  requests.forEach((abort) => abort.abort());
  statement = undefined;
  return said ? tell(said, o.erase) : Promise.resolve();
}

/** Whether the person has opted out, here or on another device. */
export const hasOptedOut = () => !!load().out;

/** Takes back what was said; the default holds again. */
export function clearConsent() {
  started();
  const s = load();
  const { distinct_id, proof } = self() || s.out && s.said || {};
  def = s.def || def;
  wipe();
  statement = undefined;
  if (distinct_id && (s.out || s.consent)) return tell({ state: "unset", distinct_id, proof });
  return flush();
}

/** Says for which purposes; none granted is an opt-out. */
export function consent(purposes, o) {
  const any = Object.keys(purposes).some((p) => word(purposes[p]) === "granted");
  return (any ? optIn : optOut)({ ...o, purposes });
}

/** How many items wait, and how many were dropped because there were too many or they were refused. */
export const stats = () => ({ queued: keys().length + held.length, dropped });
