// What the tests with a real Chromium have in common: the browser, a site of another
// origin than the gateway, and the reports that show what arrived.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { after } from "node:test";
import { chromium } from "playwright-core";

export const { LETHE_URL, LETHE_KEY, LETHE_CONTROL } = process.env;
export const today = new Date().toISOString().slice(0, 10);

// Debian's build of Chromium without a user interface, whose windows would be most of
// what a test costs.
export const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium-headless-shell",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

// A site under a strict Content-Security-Policy: no inline script, no eval.
const policy = `default-src 'none'; script-src 'self' ${LETHE_URL}; connect-src ${LETHE_URL}`;
const site = createServer((req, res) => {
  if (req.url.startsWith("/mixpanel.js")) {
    res.setHeader("Content-Type", "text/javascript");
    return res.end(readFileSync(new URL("node_modules/mixpanel-browser/dist/mixpanel.umd.js", import.meta.url)));
  }
  const script = { "/lethe": `${LETHE_URL}/sdk.js`, "/mixpanel": "/mixpanel.js" }[req.url];
  res.setHeader("Content-Type", "text/html; charset=utf-8");
  res.setHeader("Content-Security-Policy", policy);
  res.end("<!doctype html><title>Shop</title>" + (script ? `<script src="${script}"></script>` : ""));
});
await new Promise((ready) => site.listen(0, "localhost", ready));
export const origin = `http://localhost:${site.address().port}`;

after(async () => {
  await browser.close();
  site.close();
});

// device is a browser of its own; what it sends to the gateway is in its list sent.
export async function device({ region, gpc, dnt } = {}) {
  const headers = {};
  if (region) headers["X-Client-Region"] = region;
  if (gpc) headers["Sec-GPC"] = "1";
  const context = await browser.newContext({ extraHTTPHeaders: headers });
  if (gpc) await context.addInitScript(() => Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { get: () => true }));
  if (dnt) await context.addInitScript(() => Object.defineProperty(Navigator.prototype, "doNotTrack", { get: () => "1" }));
  context.sent = [];
  context.on("request", (r) => {
    const url = new URL(r.url());
    if (url.origin === LETHE_URL && !url.pathname.startsWith("/sdk.")) {
      context.sent.push({ method: r.method(), path: url.pathname, search: url.search, body: r.postData() ?? "", headers: r.headers() });
    }
  });
  return context;
}

// page opens a page of the site on a device; what goes wrong in it fails the test.
export async function page(context, path) {
  const p = await context.newPage();
  p.errors = [];
  p.on("pageerror", (err) => p.errors.push(String(err)));
  p.on("console", (m) => /Content Security Policy/.test(m.text()) && p.errors.push(m.text()));
  await p.goto(origin + path);
  return p;
}

// kept is all that the site has stored on the device.
export async function kept(p) {
  const storage = await p.evaluate(() => ({ ...localStorage, ...sessionStorage }));
  const cookies = await p.context().cookies();
  return { ...storage, ...Object.fromEntries(cookies.map((c) => [c.name, decodeURIComponent(c.value)])) };
}

export async function api(method, path, body) {
  const res = await fetch(LETHE_URL + path, { method, body: body && JSON.stringify(body), headers: { authorization: `Bearer ${LETHE_KEY}` } });
  const text = await res.text();
  return { status: res.status, body: text ? JSON.parse(text) : undefined };
}

// until asks again until the answer is as expected.
export async function until(what, ask, expected) {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const answer = await ask();
    if (expected(answer)) return answer;
    if (Date.now() > deadline) assert.fail(`${what} stays at ${JSON.stringify(answer)}`);
    await new Promise((next) => setTimeout(next, 50));
  }
}

// done makes a request of a person's rights and waits until it is done.
export async function done(path, body) {
  const made = await api("POST", path, body);
  assert.equal(made.status, 202, JSON.stringify(made.body));
  const { body: end } = await until(path, () => api("GET", `${path}/${made.body.id}`), (r) => ["done", "failed"].includes(r.body.status));
  assert.equal(end.status, "done", JSON.stringify(end));
  return end;
}

export async function total(event, measure = "total") {
  const { status, body } = await api("GET", `/v1/reports/segmentation?event=${encodeURIComponent(event)}&from=${today}&to=${today}&measure=${measure}`);
  assert.equal(status, 200, JSON.stringify(body));
  return body.series.reduce((n, s) => n + s.total, 0);
}

export const arrived = (event, n, measure) => until(`${event} (${n})`, () => total(event, measure), (t) => t === n);

export async function newToken() {
  const { status, body } = await api("POST", "/v1/tokens", { name: "browser" });
  assert.equal(status, 201, JSON.stringify(body));
  return body.token;
}
