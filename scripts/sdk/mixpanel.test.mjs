// The npm package mixpanel, as its users call it, against the local system; then
// what it sent, as the report and person endpoints show it.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import test from "node:test";
import { isDeepStrictEqual } from "node:util";
import Mixpanel from "mixpanel";

const { LETHE_URL, LETHE_TOKEN, LETHE_KEY } = process.env;
const { hostname, port } = new URL(LETHE_URL);
const settings = { host: hostname, port, protocol: "http", keepAlive: false };
const person = `sdk/${randomUUID()} ☕`;
const today = new Date().toISOString().slice(0, 10);

// call makes a promise of a method with a callback.
const call = (object, method, ...args) =>
  new Promise((resolve, reject) => {
    object[method](...args, (err) => {
      const errors = [err].flat().filter(Boolean);
      errors.length ? reject(errors[0]) : resolve();
    });
  });

async function get(path) {
  const res = await fetch(LETHE_URL + path, { headers: { authorization: `Bearer ${LETHE_KEY}` } });
  return { status: res.status, body: await res.json() };
}

// until asks again until the answer is as expected: storing takes a moment.
async function until(path, expected) {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const answer = await get(path);
    if (answer.status === 200 && expected(answer.body)) return answer.body;
    if (Date.now() > deadline) assert.fail(`${path} stays at ${JSON.stringify(answer)}`);
    await new Promise((next) => setTimeout(next, 50));
  }
}

const segmentation = (event, query = "") =>
  `/v1/reports/segmentation?event=${encodeURIComponent(event)}&from=${today}&to=${today}&unit=day&measure=total${query}`;

test("track, one and many, terse and verbose", async () => {
  const event = `Tracked ${randomUUID()}`;
  const mixpanel = Mixpanel.init(LETHE_TOKEN, settings);
  const verbose = Mixpanel.init(LETHE_TOKEN, { ...settings, verbose: true });
  await call(mixpanel, "track", event, { distinct_id: person, plan: "free", note: "a+b&c=d ☕" });
  await call(verbose, "track", event, { distinct_id: person, plan: "pro" });
  const batch = Array.from({ length: 120 }, (_, i) => ({
    event,
    properties: { distinct_id: `${person} ${i}`, plan: "pro", time: new Date() },
  }));
  await call(mixpanel, "track_batch", batch);
  const report = await until(segmentation(event, "&by=plan"), (r) => r.series.reduce((n, s) => n + s.total, 0) === 122);
  assert.deepEqual(report.series.map((s) => [s.value, s.total]), [["pro", 121], ["free", 1]]);
});

test("import", async () => {
  const event = `Imported ${randomUUID()}`;
  const mixpanel = Mixpanel.init(LETHE_TOKEN, { ...settings, key: LETHE_TOKEN });
  const old = new Date(Date.now() - 400 * 24 * 3600 * 1000);
  await call(mixpanel, "import", event, old, { distinct_id: person });
  await call(mixpanel, "import_batch", [{ event, properties: { distinct_id: person, time: old, n: 2 } }]);
  const day = old.toISOString().slice(0, 10);
  await until(`/v1/reports/segmentation?event=${encodeURIComponent(event)}&from=${day}&to=${day}&unit=day&measure=total`,
    (r) => r.series[0].total === 2);
});

test("profile operations, in order", async () => {
  const { people } = Mixpanel.init(LETHE_TOKEN, settings);
  await call(people, "set", person, { $name: "Ann", plan: "free", tags: ["a"] });
  await call(people, "set", person, "plan", "pro");
  await call(people, "set_once", person, { plan: "never", first: "seen" });
  await call(people, "increment", person, { logins: 2 });
  await call(people, "increment", person, "logins", 3);
  await call(people, "append", person, { tags: "b" });
  await call(people, "union", person, { tags: ["b", "c"] });
  await call(people, "remove", person, { tags: "a" });
  await call(people, "unset", person, ["first"]);
  const path = `/v1/people/${encodeURIComponent(person)}`;
  const want = { $name: "Ann", logins: 5, plan: "pro", tags: ["b", "c"] };
  await until(path, ({ profile: { $name, logins, plan, tags, ...rest } }) =>
    isDeepStrictEqual({ $name, logins, plan, tags }, want) && !("first" in rest));
  // By the public token no user's profile is deleted; by a service account it is.
  await call(people, "delete_user", person);
  const { profile } = await until(path, (r) => r.refused?.some((s) => s.reason === "delete_user"));
  assert.equal(profile.plan, "pro");
  const made = await fetch(LETHE_URL + "/v1/tokens", { method: "POST", body: JSON.stringify({ user: "node" }), headers: { authorization: `Bearer ${LETHE_KEY}` } });
  const { token: secret } = await made.json();
  const authorization = "Basic " + btoa("node:" + secret);
  const res = await fetch(LETHE_URL + "/engage", { method: "POST", body: JSON.stringify({ $distinct_id: person, $delete: "" }), headers: { authorization } });
  assert.equal(await res.text(), "1");
  await until(path, (r) => Object.keys(r.profile).length === 0);
});

test("Simplified ID Merge: a device is its first user's", async () => {
  const event = `Simplified ${randomUUID()}`, ann = `ann ${randomUUID()}`, bob = `bob ${randomUUID()}`, device = randomUUID();
  const mixpanel = Mixpanel.init(LETHE_TOKEN, settings);
  await call(mixpanel, "track", event, { $device_id: device });
  await call(mixpanel, "track", event, { $device_id: device, $user_id: ann });
  await until(segmentation(event), (r) => r.series[0]?.total === 2);
  const path = `/v1/people/${encodeURIComponent(ann)}`;
  await until(path, (r) => isDeepStrictEqual(r.distinct_ids.toSorted(), [`$device:${device}`, ann].toSorted()));
  await call(mixpanel, "track", event, { $device_id: device, $user_id: bob });
  const report = await until(segmentation(event), (r) => r.series[0].total === 3);
  assert.equal(report.series.length, 1);
  const { series } = await until(segmentation(event).replace("measure=total", "measure=unique"), () => true);
  assert.equal(series[0].total, 2);
  const { events } = await until(`${path}/events`, (r) => r.events.length === 2);
  assert.deepEqual(events.map((e) => e.properties.$device_id), [device, device]);
  assert.deepEqual((await get(`/v1/people/${encodeURIComponent(bob)}`)).body.distinct_ids, [bob]);
});

test("an unknown token is an error", async () => {
  const mixpanel = Mixpanel.init("nobodys", settings);
  await assert.rejects(call(mixpanel, "track", "x", { distinct_id: person }), /Mixpanel Server Error: 0/);
});

test("a person's timeline", async () => {
  const mixpanel = Mixpanel.init(LETHE_TOKEN, settings);
  const id = `timeline ${randomUUID()}`;
  await call(mixpanel, "track", "Opened", { distinct_id: id, page: 1 });
  const { events } = await until(`/v1/people/${encodeURIComponent(id)}/events`, (r) => r.events.length === 1);
  assert.equal(events[0].event, "Opened");
  assert.equal(events[0].properties.page, 1);
  assert.equal("token" in events[0].properties, false);
});
