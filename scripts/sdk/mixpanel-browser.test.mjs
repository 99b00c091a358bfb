// The npm package mixpanel-browser, unmodified, in a real Chromium against the gateway:
// opted in and out, what Lethe learns of that, and what becomes of a profile then.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import test from "node:test";
import { LETHE_KEY, LETHE_URL, api, arrived, device, done, page, total, until } from "./browser.mjs";

const token = process.env.LETHE_TOKEN;

// begin opens a page with mixpanel as an app would set it up, but for shorter waits.
async function begin(context, more = {}) {
  const p = await page(context, "/mixpanel");
  await p.evaluate(([token, host, more]) => new Promise((ready) => {
    mixpanel.init(token, { api_host: host, batch_flush_interval_ms: 100, track_pageview: false, record_sessions_percent: 0, flags: false, ...more, loaded: () => ready() });
  }), [token, LETHE_URL, more]);
  return p;
}
const call = (p, method, ...args) => p.evaluate(([m, a]) => { m.split(".").reduce((o, k, i, all) => i === all.length - 1 ? o[k](...a) : o[k], mixpanel); }, [method, args]);
const profile = (person) => api("GET", `/v1/people/${encodeURIComponent(person)}`);

test("opted in, events arrive; opted out, none does", async () => {
  const event = `Mixpanel ${randomUUID()}`;
  const context = await device();
  const p = await begin(context, { opt_out_tracking_by_default: true });
  await call(p, "track", event);
  await call(p, "opt_in_tracking");
  await call(p, "track", event, { plan: "free", note: "a+b&c=d ☕" });
  await call(p, "track", event, { plan: "pro" });
  await arrived(event, 2);
  await call(p, "opt_out_tracking");
  const sent = context.sent.length;
  await call(p, "track", event);
  await (await begin(context)).evaluate((e) => mixpanel.track(e), event); // the next page
  assert.equal(context.sent.length, sent);
  assert.equal(await total(event), 2);
  assert.deepEqual(p.errors, []);
  await context.close();
});

test("by the public token an opt-out deletes no user's profile", async () => {
  const event = `Mixpanel ${randomUUID()}`, person = `sdk/${randomUUID()} ☕`;
  const context = await device();
  // With batches it clears its queue before the $delete in it is sent.
  const p = await begin(context, { batch_requests: false });
  await call(p, "track", event);
  await call(p, "identify", person);
  await call(p, "people.set", { plan: "pro" });
  await call(p, "track", event);
  await until("the profile", () => profile(person), (r) => r.status === 200 && r.body.profile?.plan === "pro");
  await arrived(event, 2);
  await call(p, "opt_out_tracking");
  const { body } = await until("what had no effect", () => profile(person), (r) => r.body.refused?.some((s) => s.reason === "delete_user"));
  assert.equal(body.profile.plan, "pro");
  assert.equal(await total(event), 2);
  await context.close();
});

// As it is by default the SDK is silent: the lines of the guide are what tells Lethe.
test("an opt-out is told by three lines of the page", async () => {
  const guide = await (await fetch(LETHE_URL + "/guides/mixpanel")).text();
  const snippets = [...guide.matchAll(/<code class="language-js">([^]*?)<\/code>/g)].map(([, text]) => text.replaceAll("&quot;", '"').replaceAll("&gt;", ">").replaceAll("&amp;", "&"));
  const lines = snippets.find((text) => text.includes("opt_out_tracking")).replace("TOKEN", token);
  assert.equal(lines.trim().split("\n").length, 3);
  const event = `Mixpanel ${randomUUID()}`, person = `sdk/${randomUUID()} ☕`;
  const context = await device();
  const p = await begin(context);
  await call(p, "identify", person);
  await call(p, "people.set", { plan: "pro" });
  await call(p, "track", event);
  await arrived(event, 1);
  await until("the profile", () => profile(person), (r) => r.status === 200 && r.body.profile?.plan === "pro");
  const sent = context.sent.length;
  await p.evaluate(`{ ${lines} }`);
  await until("the consent", () => api("GET", `/v1/people/${encodeURIComponent(person)}/consent`), (r) => r.body.state === "denied");
  assert.deepEqual(context.sent.slice(sent).map((r) => r.path), ["/consent"]);
  assert.deepEqual(p.errors, []);
  await context.close();
});

// What mixpanel-browser sends when a second user signs in without reset() names the first
// user as the anonymous one.
test("two users on one device without reset stay two persons", async () => {
  const event = `Mixpanel ${randomUUID()}`, ann = `ann ${randomUUID()}`, bob = `bob ${randomUUID()}`;
  const context = await device();
  const p = await begin(context, { batch_requests: false });
  await call(p, "track", event, { by: "device" });
  await call(p, "identify", ann);
  await call(p, "track", event, { by: "ann" });
  await arrived(event, 2);
  await call(p, "identify", bob);
  await call(p, "track", event, { by: "bob" });
  await arrived(event, 3);
  const first = await until("the device of ann", () => profile(ann), (r) => r.body.distinct_ids?.length === 2);
  assert.match(first.body.distinct_ids.find((id) => id !== ann), /^\$device:/);
  await until("the refusal", () => profile(ann), (r) => r.body.refused?.some((said) => said.reason === "link_users"));
  assert.deepEqual((await profile(bob)).body.distinct_ids, [bob]);
  assert.equal(await total(event, "unique"), 2);
  // Archives and erasures are of the one or of the other.
  const archive = (id) => done("/v1/exports", { distinct_ids: [id], events: [event] });
  assert.equal((await archive(ann)).contents.events, 2);
  assert.equal((await archive(bob)).contents.events, 1);
  const { id } = await done("/v1/deletions", { distinct_ids: [bob] });
  assert.equal((await fetch(`${LETHE_URL}/v1/deletions/${id}/receipt`, { headers: { authorization: `Bearer ${LETHE_KEY}` } })).status, 200);
  await arrived(event, 2);
  assert.equal((await profile(bob)).status, 404);
  assert.equal((await profile(ann)).body.distinct_ids.length, 2);
  await context.close();
});
