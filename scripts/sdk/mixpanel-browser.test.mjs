// The npm package mixpanel-browser, unmodified, in a real Chromium against the gateway:
// opted in and out, and what is left of a profile then.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import test from "node:test";
import { LETHE_URL, api, arrived, device, page, total, until } from "./browser.mjs";

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

test("an identified opt-out empties the profile", async () => {
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
  await until("the profile", () => profile(person), (r) => r.status === 404 || !r.body.profile?.plan);
  assert.equal(await total(event), 2);
  await context.close();
});
