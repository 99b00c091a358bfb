// A customer's project, and a month of a shop's life in it.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { LETHE_URL, until } from "../sdk/browser.mjs";

const day = 24 * 3600;
export const date = (daysAgo) => new Date(Date.now() - daysAgo * day * 1000).toISOString().slice(0, 10);

// call calls the API with a bearer's secret.
export async function call(secret, method, path, body, headers = {}) {
  const res = await fetch(LETHE_URL + path, { method, body: body && JSON.stringify(body), headers: { authorization: `Bearer ${secret}`, ...headers } });
  const text = await res.text();
  assert.ok(res.ok, `${method} ${path}: ${res.status} ${text}`);
  return text && JSON.parse(text);
}

// The first privacy officer is root@localhost.
async function idToken(email) {
  const res = await fetch(`${process.env.LETHE_STAFF_ISSUER}/token?email=${encodeURIComponent(email)}`);
  return (await res.text()).trim();
}

// member enters a member of staff, who may all that the role may, and returns an ID token.
export async function member(email, role) {
  const now = new Date().toISOString();
  await call(await idToken("root@localhost"), "PUT", `/v1/staff/${email}`, { role, confidentiality: { version: "1", at: now }, training_at: now });
  return idToken(email);
}

// newProject makes a project with an SDK token, whose agreement is accepted unless it is
// to be left.
export async function newProject(name, { agreed = true } = {}) {
  const id = `${name}-${randomBytes(2).toString("hex")}`;
  const { key } = await call(await member("officer@localhost", "privacy-officer"), "POST", "/v1/projects", { id, name });
  const p = { id, key: key.secret, call: (method, path, body) => call(key.secret, method, path, body) };
  if (agreed) {
    const { current } = await p.call("GET", "/v1/project/dpa");
    await p.call("POST", "/v1/project/dpa", { version: current.version, accepted_by: { name: "Ada Byron", role: "director" } });
  }
  p.token = (await p.call("POST", "/v1/tokens", { name: "shop" })).token;
  return p;
}

// send sends what an SDK sends: events to /import, profile operations to /engage; and, as
// an SDK does, sends it again if the function has ended (another test kills it).
export async function send(p, path, items) {
  for (let i = 0; i < items.length; i += 2000) {
    const post = async () => {
      const res = await fetch(`${LETHE_URL}${path}`, { method: "POST", body: JSON.stringify(items.slice(i, i + 2000)),
        headers: { "content-type": "application/json", authorization: `Basic ${btoa(p.token + ":")}` } });
      return { status: res.status, text: await res.text() };
    };
    const { status, text } = await until(path, post, ({ status }) => status !== 502 && status !== 503);
    assert.equal(status, 200, text);
  }
}

// seal has the access logs sealed now, as Cloud Scheduler does each minute.
export async function seal() {
  const res = await fetch(`http://${process.env.PUBSUB_EMULATOR_HOST}/v1/projects/lethe-local/topics/seals:publish`,
    { method: "POST", body: JSON.stringify({ messages: [{ data: btoa("{}") }] }), headers: { "content-type": "application/json" } });
  assert.equal(res.status, 200, await res.text());
}

// generator makes the same numbers of [0, 1) in each run (mulberry32).
function generator(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let n = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    n = (n + Math.imul(n ^ (n >>> 7), 61 | n)) ^ n;
    return ((n ^ (n >>> 14)) >>> 0) / 2 ** 32;
  };
}

const given = ["Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Radia", "Ken", "Frances", "Dennis", "Hedy", "John", "Karen", "Niklaus", "Shafi"];
const family = ["Berger", "Okafor", "Silva", "Novak", "Rossi", "Larsen", "Kim", "Haddad", "Weber", "Moreau"];

// fill gives the project that many persons: each signs up within the last 30 days, looks
// around, may buy, and comes back less and less. It returns the events when all of them
// are in the reports.
export async function fill(p, persons) {
  const random = generator(42);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const now = Math.floor(Date.now() / 1000);
  const events = [];
  const profiles = [];
  for (let n = 0; n < persons; n++) {
    const id = `customer-${String(n).padStart(4, "0")}`;
    const plan = random() < 0.7 ? "free" : random() < 0.8 ? "pro" : "team";
    const country = pick(["DE", "DE", "FR", "NL", "AT", "PL"]);
    const name = `${pick(given)} ${pick(family)}`;
    profiles.push({ $token: p.token, $distinct_id: id, $set: { $name: name, $email: `${id}@example.com`, plan, country } });
    // More and more of them, fewer at weekends.
    let age = Math.floor(30 * (1 - Math.sqrt(random())));
    if ([0, 6].includes(new Date((now - age * day) * 1000).getUTCDay()) && random() < 0.5) age = Math.min(29, age + 2);
    const visit = (time, first) => {
      let at = time;
      const track = (event, properties) => {
        at += 20 + Math.floor(random() * 400);
        if (at < now) events.push({ event, properties: { token: p.token, distinct_id: id, time: at, $insert_id: `${id}-${events.length}`, ...properties } });
      };
      if (first) track("Signed up", { plan, country, source: pick(["search", "search", "friend", "advert"]) });
      const category = pick(["Books", "Kitchen", "Garden", "Music"]);
      for (let i = 0; i < 1 + random() * 3; i++) track("Viewed product", { category, country });
      if (random() > 0.5) return;
      track("Added to cart", { category, items: 1 + Math.floor(random() * 3) });
      if (random() < 0.6) track("Purchased", { category, plan, amount: Math.round((8 + random() * 90) * 100) / 100, currency: "EUR" });
    };
    const start = now - age * day - Math.floor(random() * 10 * 3600) - 3600;
    visit(start, true);
    for (let d = 1; d <= age; d++) {
      if (random() < (plan === "free" ? 0.25 : 0.45) / Math.sqrt(d)) visit(start + d * day, false);
    }
  }
  await send(p, "/engage", profiles);
  await send(p, "/import?strict=1", events);
  const of = `/v1/reports/top-events?from=${date(40)}&to=${date(0)}`;
  await until("events", () => p.call("GET", of), (a) => a.events.reduce((n, e) => n + (e.total ?? e.count), 0) === events.length);
  return events;
}
