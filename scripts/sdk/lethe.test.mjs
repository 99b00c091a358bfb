// Lethe's browser SDK in a real Chromium, against the local system. What a request
// brings is taken from the reports, not from the SDK.
import assert from "node:assert/strict";
import { createHmac, randomUUID } from "node:crypto";
import test, { before } from "node:test";
import { LETHE_CONTROL, LETHE_URL, api, arrived, device, kept, newToken, page, total, until } from "./browser.mjs";

let token, secret;
before(async () => {
  // Two made-up countries with defaults of their own, and a secret that proves who somebody
  // is, all heeded at once by a new token.
  const { body } = await api("GET", "/v1/project");
  const { consent, purposes, data_regions, user_ids } = body.settings;
  consent.regions = { ...consent.regions, QD: "denied", QG: "granted" };
  const put = await api("PUT", "/v1/project/settings", { consent, purposes, data_regions, user_ids });
  assert.equal(put.status, 200, JSON.stringify(put.body));
  const made = await api("POST", "/v1/project/identity-secret", { overlap: "0s" });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  secret = made.body.secret;
  token = await newToken();
});

// proven is what the app's server makes for a person.
const proven = (id) => ({ proof: createHmac("sha256", secret).update(id).digest("hex") });

const call = (p, method, ...args) => p.evaluate(([m, a]) => lethe[m](...a), [method, args]);
const init = (p, options) => call(p, "init", token, { flushInterval: 50, retryDelay: 50, ...options });
const begin = async (context, options = {}) => {
  const p = await page(context, "/lethe");
  await init(p, options);
  return p;
};
const idOf = async (p) => JSON.parse((await kept(p))[`lethe_${token}`]).id;
const settled = (p) => until("the queue", async () => (await call(p, "flush"), call(p, "stats")), (s) => s.queued === 0);
const mark = '{"out":1}';

// One case for each default (said by the app, or asked of the server), persistence and GPC.
for (const how of ["granted", "denied", "QG", "QD"]) {
  for (const persistence of ["localStorage", "cookie", "none"]) {
    for (const gpc of [false, true]) cases(how, persistence, gpc);
  }
}

function cases(how, persistence, gpc) {
  test(`default ${how}, ${persistence}, GPC ${gpc}`, async () => {
    const asked = how.length === 2;
    const denied = gpc || how === "denied" || how === "QD";
    const event = `Seen ${randomUUID()}`;
    const context = await device({ gpc, region: asked ? how : undefined });
    const options = { persistence, default: asked ? undefined : how };
    const p = await begin(context, options);
    await call(p, "track", event, { n: 1 });
    await settled(p);
    // With GPC there is nothing to ask.
    const questions = context.sent.filter((r) => r.path === "/consent");
    assert.equal(questions.length, asked && !gpc ? 1 : 0);
    for (const q of questions) {
      assert.equal(q.method, "GET");
      assert.equal(q.search, "?token=" + encodeURIComponent(token));
      assert.equal(q.headers.cookie ?? q.headers["lethe-distinct-id"], undefined);
    }
    const before = denied ? 0 : 1;
    assert.equal(context.sent.length, questions.length + before);
    const name = `lethe_${token}`;
    assert.deepEqual(Object.keys(await kept(p)), denied || persistence === "none" ? [] : [name]);
    if (persistence === "cookie") assert.equal((await context.cookies()).length, before);

    await call(p, "optIn", { purposes: { analytics: true }, noticeVersion: "v1" });
    await call(p, "track", event, { n: 2 });
    await settled(p);
    assert.deepEqual(Object.keys(await kept(p)), persistence === "none" ? [] : [name]);
    await arrived(event, before + 1);

    await context.route(LETHE_URL + "/track", (route) => route.abort()); // leaves something in the queue
    await call(p, "track", event, { n: 3 });
    await call(p, "optOut");
    assert.equal(await call(p, "hasOptedOut"), true);
    assert.deepEqual(await kept(p), persistence === "none" ? {} : { [name]: mark });
    await context.unroute(LETHE_URL + "/track");
    const sent = context.sent.length;
    await call(p, "track", event, { n: 4 });
    await call(p, "identify", "ada");
    await call(p, "set", { a: 1 });
    await call(p, "flush");
    await p.reload(); // the next page
    await init(p, options);
    if (persistence !== "none") {
      await call(p, "track", event, { n: 5 });
      await call(p, "flush");
      assert.equal(context.sent.length, sent);
      assert.deepEqual(await kept(p), { [name]: mark });
    }
    assert.equal(await total(event), before + 1);
    assert.deepEqual(p.errors, []);
    await context.close();
  });
}

test("Do Not Track counts if it is to", async () => {
  const context = await device({ dnt: true });
  const p = await begin(context, { default: "granted", respectDNT: true });
  await call(p, "track", "Seen");
  await call(p, "flush");
  assert.deepEqual([context.sent, await kept(p)], [[], {}]);
  await p.close(); // or it would wipe what the other, of other options, stores
  const other = await begin(context, { default: "granted" });
  await call(other, "track", "Seen");
  await settled(other);
  await until("what was sent", () => context.sent.length, (n) => n === 1);
  await context.close();
});

test("clearConsent: the default holds again", async () => {
  const event = `Seen ${randomUUID()}`;
  const context = await device({ region: "QD" });
  const p = await begin(context);
  await call(p, "consent", { analytics: true, ads: "denied" }, { basis: "consent", noticeVersion: "v2" });
  const id = await idOf(p);
  const { body } = await api("GET", `/v1/people/${id}/consent`);
  assert.equal(body.state, "granted");
  assert.deepEqual(body.purposes, { analytics: "granted", ads: "denied" });
  assert.equal(body.notice_version, "v2");
  await call(p, "clearConsent");
  assert.deepEqual(await kept(p), {});
  assert.equal((await api("GET", `/v1/people/${id}/consent`)).body.state, "unset");
  await call(p, "optIn");
  await call(p, "consent", { analytics: false });
  assert.equal(await call(p, "hasOptedOut"), true);
  await call(p, "clearConsent");
  assert.equal(await call(p, "hasOptedOut"), false);
  const sent = context.sent.length;
  await call(p, "track", event);
  await call(p, "flush");
  assert.deepEqual([await kept(p), context.sent.length], [{}, sent]);
  await context.close();
});

test("offline, also over the end of the page", async () => {
  const event = `Offline ${randomUUID()}`;
  const context = await device();
  const p = await begin(context, { default: "granted" });
  await context.setOffline(true);
  for (let n = 0; n < 3; n++) await call(p, "track", event, { n });
  await call(p, "flush");
  assert.equal(context.sent.length, 0);
  assert.equal((await call(p, "stats")).queued, 3);
  await context.setOffline(false);
  await arrived(event, 3);
  await context.setOffline(true);
  await call(p, "track", event, { n: 4 });
  await p.close();
  await context.setOffline(false);
  await begin(context, { default: "granted" });
  await arrived(event, 4);
  await context.close();
});

for (const persistence of ["localStorage", "none"]) {
  test(`page close, ${persistence}`, async () => {
    const event = `Left ${randomUUID()}`;
    const context = await device();
    const p = await begin(context, { default: "granted", persistence, flushInterval: 3_600_000 });
    await call(p, "track", event, { n: 1 });
    await call(p, "track", event, { n: 2 });
    assert.equal(context.sent.length, 0);
    await p.goto("about:blank");
    await arrived(event, 2);
    await begin(context, { default: "granted", persistence }); // sends again what it does not know to have arrived
    await begin(context, { default: "granted", persistence });
    assert.equal(await total(event), 2);
    await context.close();
  });
}

test("a retry counts once", async () => {
  const event = `Retried ${randomUUID()}`;
  const context = await device();
  const p = await begin(context, { default: "granted", batchSize: 4 });
  let lost = 0;
  await context.route(LETHE_URL + "/track", async (route) => {
    if (lost++ > 1) return route.continue();
    const answer = await route.fetch(); // has arrived; the answer gets lost
    lost === 1 ? await route.abort() : await route.fulfill({ response: answer, status: 503, body: "0" });
  });
  await p.evaluate((e) => { for (let n = 0; n < 10; n++) lethe.track(e, { n }); }, event); // at once: the first batch is full
  await settled(p);
  await arrived(event, 10);
  const posts = context.sent.filter((r) => r.path === "/track");
  assert.ok(posts.length >= 5, `${posts.length} requests`);
  assert.deepEqual(JSON.parse(posts[0].body), JSON.parse(posts[1].body));
  await context.close();
});

test("the function is killed under it", async () => {
  const event = `Killed ${randomUUID()}`;
  const context = await device();
  const p = await begin(context, { default: "granted", batchSize: 5 });
  await fetch(LETHE_CONTROL + "/functions/ingest/kill", { method: "POST" });
  for (let n = 0; n < 20; n++) await call(p, "track", event, { n });
  await settled(p);
  await arrived(event, 20);
  assert.equal((await call(p, "stats")).dropped, 0);
  await context.close();
});

// The page's clock stands still and is moved by hand; Math.random gives its most.
test("Retry-After, and backoff with full jitter", async () => {
  const context = await device();
  await context.addInitScript(() => { Math.random = () => 0.999; });
  const p = await context.newPage();
  await p.clock.install();
  await p.goto((await page(context, "/lethe")).url());
  await p.clock.pauseAt(Date.now() + 60_000);
  const answers = [{ status: 503, headers: { "Retry-After": "100" } }, { status: 429, headers: {} }, { status: 500, headers: {} }, { status: 200, headers: {} }];
  let asked = 0;
  await context.route(LETHE_URL + "/track", (route) => {
    const { status, headers } = answers[asked++];
    return route.fulfill({ status, body: "1", headers: { ...headers, "Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After" } });
  });
  await call(p, "init", token, { default: "granted", retryDelay: 1000 });
  await call(p, "track", "Seen");
  await call(p, "flush");
  for (const [i, pause] of [100_000, 2_000, 4_000].entries()) { // at least 0.999 of it
    assert.equal(asked, i + 1);
    await p.clock.runFor(pause * 0.98);
    await call(p, "flush");
    assert.equal(asked, i + 1, "too early");
    await p.clock.runFor(pause * 0.03);
    await until("requests", async () => (await call(p, "flush"), asked), (n) => n > i + 1);
  }
  assert.equal((await call(p, "stats")).queued, 0);
  await context.close();
});

test("the queue is bounded, and drops the oldest", async () => {
  const event = `Bounded ${randomUUID()}`;
  const context = await device();
  const p = await begin(context, { default: "granted", queueSize: 10 });
  await context.setOffline(true);
  await p.evaluate((e) => { for (let n = 0; n < 25; n++) lethe.track(e, { n }); }, event);
  assert.deepEqual(await call(p, "stats"), { queued: 10, dropped: 15 });
  await context.setOffline(false);
  await settled(p);
  await arrived(event, 10);
  const sent = context.sent.filter((r) => r.path === "/track").flatMap((r) => JSON.parse(r.body));
  assert.deepEqual(sent.map((e) => e.properties.n), Array.from({ length: 10 }, (_, i) => i + 15));
  await context.close();
});

test("tabs share a queue", async () => {
  const event = `Tabs ${randomUUID()}`;
  const context = await device();
  const tabs = await Promise.all([1, 2, 3].map(() => begin(context, { default: "granted", batchSize: 7 })));
  await call(tabs[0], "track", event); // makes the id that all have
  await settled(tabs[0]);
  for (const p of tabs) await until("the id", () => kept(p), (all) => `lethe_${token}` in all);
  await Promise.all(tabs.map((p, tab) => p.evaluate(async ([e, tab]) => {
    for (let n = 0; n < 40; n++) {
      lethe.track(e, { tab, n });
      await new Promise((next) => setTimeout(next));
    }
  }, [event, tab])));
  await tabs[0].close();
  await Promise.all(tabs.slice(1).map(settled));
  await arrived(event, 121);
  await arrived(event, 1, "unique");
  // One tab's opt-out is every tab's.
  await call(tabs[1], "optOut");
  assert.equal(await call(tabs[2], "hasOptedOut"), true);
  await call(tabs[2], "track", event);
  assert.equal((await call(tabs[2], "stats")).queued, 0);
  await context.close();
});

test("identify joins, and reset parts", async () => {
  const event = `Joined ${randomUUID()}`, person = `sdk/${randomUUID()} ☕`, other = `sdk/${randomUUID()}`;
  const context = await device({ region: "QD" });
  const p = await begin(context);
  await call(p, "optIn");
  await call(p, "track", event);
  await call(p, "identify", person);
  await call(p, "track", event);
  await settled(p);
  await arrived(event, 2);
  await arrived(event, 1, "unique");
  assert.equal((await api("GET", `/v1/people/${encodeURIComponent(person)}/consent`)).body.state, "granted");
  for (const r of context.sent) assert.ok(!r.search.includes("distinct"), "no id in a URL");
  await call(p, "reset");
  assert.deepEqual(await kept(p), {});
  await call(p, "identify", other);
  await call(p, "track", event); // she has not said anything
  await call(p, "flush");
  await call(p, "optIn");
  await call(p, "alias", other + "!");
  await call(p, "track", event);
  await settled(p);
  await arrived(event, 3);
  await arrived(event, 2, "unique");
  await context.close();
});

test("two devices of one person", async () => {
  const event = `Two ${randomUUID()}`, person = `sdk/${randomUUID()}`;
  const [a, b] = await Promise.all([device(), device()]);
  const [on, off] = [await begin(a, { default: "granted", consentInterval: 0 }), await begin(b, { default: "granted" })];
  for (const p of [on, off]) {
    await call(p, "identify", person, proven(person));
    await call(p, "track", event);
    await call(p, "set", { plan: "pro" });
    await settled(p);
  }
  await arrived(event, 2);
  await arrived(event, 1, "unique");
  const profile = () => api("GET", `/v1/people/${encodeURIComponent(person)}`);
  await until("the profile", profile, (r) => r.status === 200 && r.body.profile?.plan === "pro");
  await call(off, "optOut", { erase: true });
  await until("the profile", profile, (r) => r.status === 404 || !r.body.profile?.plan);
  await until("the consent", () => api("GET", `/v1/people/${encodeURIComponent(person)}/consent`), (r) => r.body.state === "denied");
  // The other device learns it by asking, and clears itself.
  await call(on, "track", event);
  await until("the other device", async () => (await call(on, "flush"), call(on, "hasOptedOut")), Boolean);
  assert.deepEqual(await kept(on), { [`lethe_${token}`]: mark });
  // And so does a third, once it knows who she is, and can prove it.
  const third = await begin(await device(), { default: "granted" });
  await call(third, "identify", person, proven(person));
  await until("the third device", async () => (await call(third, "flush"), call(third, "hasOptedOut")), Boolean);
  assert.equal(await total(event), 2);
  // Who cannot, is not told; what is sent is dropped all the same.
  const stranger = await begin(await device(), { default: "granted", consentInterval: 0 });
  await call(stranger, "identify", person);
  await call(stranger, "track", event);
  await settled(stranger);
  assert.equal(await call(stranger, "hasOptedOut"), false);
  assert.equal(await total(event), 2);
  // Her newest word counts, on the device where she says it.
  await call(off, "identify", person, proven(person));
  await call(off, "optIn");
  await call(off, "track", event);
  await settled(off);
  await arrived(event, 3);
  await Promise.all([a, b, third.context(), stranger.context()].map((c) => c.close()));
});

test("a proof goes along with all that is said of its person, and with nothing else", async () => {
  const event = `Proven ${randomUUID()}`, person = `sdk/${randomUUID()} ☕`, { proof } = proven(person);
  const context = await device();
  const p = await begin(context, { default: "granted" });
  await call(p, "track", event);
  await settled(p);
  await call(p, "identify", person, { proof });
  await call(p, "track", event, { n: 2 });
  await call(p, "set", { plan: "pro" });
  await call(p, "optIn");
  await settled(p);
  await p.reload(); // the next page knows it still
  await init(p, { default: "granted" });
  await call(p, "track", event, { n: 3 });
  await settled(p);
  // What is not answered in time is sent again: an item counts once.
  const items = (path) => {
    const sent = context.sent.filter((r) => r.path === path && r.method === "POST").flatMap((r) => JSON.parse(r.body));
    return [...new Map(sent.map((item) => [item.properties?.$insert_id ?? JSON.stringify(item), item])).values()];
  };
  assert.deepEqual(items("/track").map((e) => [e.event, e.properties.$identity_proof]), [[event, undefined], ["$identify", proof], [event, proof], [event, proof]]);
  assert.deepEqual(items("/engage").map((o) => o.$identity_proof), [proof]);
  assert.deepEqual(items("/consent").map((c) => c.proof), [proof]);
  await arrived(event, 3);
  const { body } = await api("GET", `/v1/people/${encodeURIComponent(person)}/events`);
  assert.ok(body.events.length >= 2 && !JSON.stringify(body).includes(proof), "a proof is stored");
  await call(p, "reset");
  await call(p, "identify", person + "!");
  await call(p, "track", event);
  await settled(p);
  assert.equal(items("/track").at(-1).properties.$identity_proof, undefined);
  await context.close();
});

test("with a proof that has expired, what is said is said all the same", async () => {
  const event = `Expired ${randomUUID()}`, person = `sdk/${randomUUID()}`;
  const context = await device();
  const p = await begin(context, { default: "granted", consentInterval: 0 });
  await call(p, "identify", person, proven("somebody else"));
  await call(p, "track", event);
  await settled(p);
  await arrived(event, 1);
  await call(p, "identify", person, proven("somebody else"));
  await call(p, "optOut");
  await until("the consent", () => api("GET", `/v1/people/${encodeURIComponent(person)}/consent`), (r) => r.body.state === "denied");
  // The SDK may have learned by then that the proof is refused: in the end it speaks without one.
  const said = context.sent.filter((r) => r.path === "/consent" && r.method === "POST").map((r) => JSON.parse(r.body));
  assert.deepEqual([said.at(-1).state, !!said.at(-1).proof], ["denied", false]);
  assert.deepEqual(await kept(p), { [`lethe_${token}`]: mark });
  await context.close();
});

test("an opt-out without a connection reaches the server with it", async () => {
  const person = `sdk/${randomUUID()}`;
  const context = await device();
  const p = await begin(context, { default: "granted" });
  await call(p, "identify", person);
  await call(p, "track", "Seen");
  await settled(p);
  await context.setOffline(true);
  await p.evaluate(() => { lethe.track("Seen"); lethe.optOut({ noticeVersion: "v3" }); });
  // All that is left is what the server is to be told.
  const said = { state: "denied", notice_version: "v3", distinct_id: person };
  assert.deepEqual(await kept(p), { [`lethe_${token}`]: JSON.stringify({ out: 1, said }) });
  await context.setOffline(false);
  await until("the consent", () => api("GET", `/v1/people/${encodeURIComponent(person)}/consent`), (r) => r.body.state === "denied");
  await until("the mark", () => kept(p), (all) => all[`lethe_${token}`] === mark);
  await context.close();
});

for (const persistence of ["localStorage", "cookie"]) {
  test(`an opt-out without a connection outlives the page, ${persistence}`, async () => {
    const person = `sdk/${randomUUID()}`;
    const context = await device();
    const p = await begin(context, { default: "granted", persistence });
    await call(p, "identify", person, proven(person));
    await call(p, "set", { plan: "pro" });
    await settled(p);
    const profile = () => api("GET", `/v1/people/${encodeURIComponent(person)}`);
    await until("the profile", profile, (r) => r.status === 200 && r.body.profile?.plan === "pro");
    await context.setOffline(true);
    await p.evaluate(() => { lethe.optOut({ erase: true }); });
    await p.close();
    await context.setOffline(false);
    const next = await begin(context, { default: "granted", persistence });
    assert.equal(await call(next, "hasOptedOut"), true);
    await until("the consent", () => api("GET", `/v1/people/${encodeURIComponent(person)}/consent`), (r) => r.body.state === "denied");
    await until("the profile", profile, (r) => r.status === 404 || !r.body.profile?.plan);
    await until("the mark", () => kept(next), (all) => all[`lethe_${token}`] === mark);
    await context.close();
  });
}

test("a text with line separators arrives", async () => {
  const event = `Separated ${randomUUID()}`;
  const context = await device();
  const p = await begin(context, { default: "granted" });
  await call(p, "track", event, { text: "one\u2028two\u2029three" });
  await settled(p);
  await arrived(event, 1);
  await context.close();
});

test("the module", async () => {
  const event = `Module ${randomUUID()}`;
  const context = await device();
  const p = await page(context, "/");
  await p.evaluate(async ([url, token, event]) => {
    const lethe = await import(url + "/sdk.mjs");
    lethe.init(token, { default: "granted", persistence: "none" });
    lethe.track(event, { distinct_id: "not to be said here" });
    await lethe.flush();
  }, [LETHE_URL, token, event]);
  await arrived(event, 1);
  assert.deepEqual(p.errors, []);
  await context.close();
});

test("what is wrong is told, and breaks no page", async () => {
  const context = await device();
  const p = await page(context, "/lethe");
  await call(p, "track", "before init");
  for (const method of ["optIn", "optOut", "clearConsent", "reset"]) await assert.rejects(call(p, method), /call init first/);
  for (const args of [[""], [token, { default: "deny" }], [token, { persistence: "memory" }]]) await assert.rejects(call(p, "init", ...args), /TypeError/);
  await call(p, "init", "no such token", { default: "granted" });
  await p.evaluate(() => { const loop = {}; loop.loop = loop; lethe.track("Seen", loop); lethe.track("Seen"); });
  await call(p, "flush");
  assert.deepEqual(await call(p, "stats"), { queued: 0, dropped: 2 });
  assert.deepEqual(p.errors, []);
  await context.close();
});
