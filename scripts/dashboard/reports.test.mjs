// Signing in and out, and the reports, of a month of a shop.
import assert from "node:assert/strict";
import test from "node:test";
import { LETHE_URL } from "../sdk/browser.mjs";
import { cells, enter, fact, heading, look, press, signedIn, visitor } from "./visitor.mjs";
import { date, fill, newProject } from "./world.mjs";

const shop = await newProject("shop");
const events = await fill(shop, 300);
const days = { from: date(31), to: date(0) };
const whole = (n) => n.toLocaleString("en");
const of = (name) => events.filter((e) => e.event === name);
const people = (list) => new Set(list.map((e) => e.properties.distinct_id)).size;
const url = (path, query) => `${path}?${new URLSearchParams({ ...days, ...query })}`;

test("signing in and out", async (t) => {
  const page = await visitor(t);
  await page.goto("/");
  assert.equal(await heading(page), "Sign in");
  await look(page, "sign-in");
  await enter(page, "lethe_wrong");
  assert.match(await page.getByRole("alert").innerText(), /unknown, has expired or has been revoked/);
  await look(page, "sign-in-wrong");
  assert.deepEqual(await page.context().cookies(), []);

  await enter(page, shop.key);
  assert.equal(await heading(page), "Overview");
  const [session, ...others] = await page.context().cookies();
  assert.deepEqual(others, []);
  const { name, secure, httpOnly, sameSite, path, domain, value, expires } = session;
  assert.deepEqual({ name, secure, httpOnly, sameSite, path, domain },
    { name: "__Host-lethe-session", secure: true, httpOnly: true, sameSite: "Lax", path: "/", domain: new URL(LETHE_URL).hostname });
  assert.ok(!value.includes(shop.key) && expires - Date.now() / 1000 < 12 * 3600 + 60, `expires ${expires}`);

  await press(page.getByRole("button", { name: "Sign out" }));
  assert.equal(await heading(page), "Sign in");
  assert.deepEqual(await page.context().cookies(), []);
  await page.context().addCookies([session]); // a copy that somebody kept
  await page.goto("/");
  assert.equal(await heading(page), "Sign in");
});

test("a page that is not there", async (t) => {
  const page = await signedIn(t, shop.key);
  const answer = await page.goto("/nothing");
  assert.equal(answer.status(), 404);
  await look(page, "not-found");
});

test("overview", async (t) => {
  const page = await signedIn(t, shop.key);
  await page.goto(url("/", {}));
  assert.equal(await fact(page, "Events"), whole(events.length));
  assert.equal(await fact(page, "Busiest"), "Viewed product");
  const top = await cells(page, "Top events");
  assert.deepEqual(top.map((row) => row.slice(0, 2)), ["Viewed product", "Added to cart", "Signed up", "Purchased"]
    .sort((a, b) => of(b).length - of(a).length).map((name) => [name, whole(of(name).length)]));
  await look(page, "overview");

  const empty = await newProject("new");
  const first = await signedIn(t, empty.key);
  assert.match(await first.getByRole("main").innerText(), /No events yet.*curl/s);
  await look(first, "overview-empty");
});

test("explore: breakdown, filter, CSV, and the link that is shared", async (t) => {
  const page = await signedIn(t, shop.key);
  await press(page.getByRole("link", { name: "Explore" }));
  await look(page, "explore-empty");
  await page.getByLabel("Event", { exact: true }).fill("Purchased");
  await page.getByLabel("Break down by").fill("category");
  await page.getByLabel("From").fill(days.from);
  await page.getByText("Filters", { exact: true }).click();
  await page.getByLabel("Property of filter 1").fill("amount");
  await page.getByLabel("Comparison of filter 1").selectOption("is at least");
  await page.getByLabel("Value of filter 1").fill("50");
  await press(page.getByRole("button", { name: "Show" }));
  const expected = {};
  for (const e of of("Purchased")) if (e.properties.amount >= 50) expected[e.properties.category] = (expected[e.properties.category] ?? 0) + 1;
  assert.ok(Object.keys(expected).length === 4, JSON.stringify(expected));
  assert.deepEqual(Object.fromEntries(await cells(page, "In all")), Object.fromEntries(Object.entries(expected).map(([k, n]) => [k, whole(n)])));
  assert.equal(await page.locator("figure.chart svg:visible").count(), 1);
  await look(page, "explore");

  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("region", { name: "In all" }).getByRole("link", { name: "CSV" }).click()]);
  const csv = Buffer.concat(await (await file.createReadStream()).toArray()).toString();
  assert.deepEqual(csv.trim().split("\n").slice(1).sort(), Object.entries(expected).map(([k, n]) => `${k},${n}`).sort());

  const shared = page.url();
  const other = await visitor(t);
  await other.goto(shared);
  assert.equal(await heading(other), "Sign in");
  await enter(other, shop.key);
  assert.equal(other.url(), shared);
  assert.deepEqual(await cells(other, "In all"), await cells(page, "In all"));

  await page.goto(url("/explore", { event: "Purchased", measure: "sum", on: "amount" }));
  const sum = of("Purchased").reduce((n, e) => n + e.properties.amount, 0);
  assert.ok(Math.abs(Number((await cells(page, "In all"))[0][1].replaceAll(",", "")) - sum) < 0.01);
  await page.goto(url("/explore", { event: "Purchased", where: "properties[" }));
  assert.ok((await page.getByRole("alert").innerText()).length > 10);
  await look(page, "explore-wrong");
});

test("funnel", async (t) => {
  const page = await signedIn(t, shop.key);
  await press(page.getByRole("link", { name: "Funnel" }));
  await look(page, "funnel-empty");
  await page.getByLabel(/^Step 1\b/).fill("Signed up");
  await page.getByLabel(/^Step 2/).fill("Added to cart");
  await page.getByLabel(/^Step 3/).fill("Purchased");
  await page.getByLabel("Within days").fill("60");
  await page.getByLabel("From").fill(days.from);
  await press(page.getByRole("button", { name: "Show" }));
  const steps = await cells(page, "Steps");
  const count = (name) => people(of(name));
  assert.deepEqual(steps.map((row) => row.slice(0, 2)), [["1. Signed up", whole(count("Signed up"))], ["2. Added to cart", whole(count("Added to cart"))], ["3. Purchased", whole(count("Purchased"))]]);
  await look(page, "funnel");
});

test("retention", async (t) => {
  const page = await signedIn(t, shop.key);
  await press(page.getByRole("link", { name: "Retention" }));
  await look(page, "retention-empty");
  await page.getByLabel("First", { exact: true }).fill("Signed up");
  await page.getByLabel("From").fill(days.from);
  await press(page.getByRole("button", { name: "Show" }));
  const rows = await page.getByRole("main").locator("tbody tr").all();
  assert.ok(rows.length >= 4, `${rows.length} rows`);
  const sizes = await Promise.all(rows.map((row) => row.locator("td").first().innerText()));
  assert.equal(sizes.reduce((n, text) => n + Number(text.replaceAll(",", "")), 0), people(of("Signed up")));
  await look(page, "retention");
});

// What the checks of a page are worth: each fault is found.
test("the checks find what is wrong", async (t) => {
  const page = await visitor(t);
  await page.route("**/broken", (route) => route.fulfill({ contentType: "text/html", headers: { "content-security-policy": "default-src 'none'" },
    body: `<!doctype html><html lang="en"><title>Broken</title>
      <style>#tall { height: 3000px } @media (prefers-color-scheme: dark) { #dim { color: #111; background: #000 } } @media (max-width: 400px) { #long { width: 500px } }</style>
      <main><h1>Broken</h1><p id="tall">What is wrong is below the window.</p><p id="dim">inline</p><img src="/static/none.svg"><div id="long">long</div></main>` }));
  await page.goto("/broken");
  await assert.rejects(look(page), ({ message }) => {
    assert.match(message, /1280-light: image-alt/);
    assert.match(message, /1280-dark: color-contrast: .*dim/);
    assert.doesNotMatch(message, /light: color-contrast/);
    assert.match(message, /390-light: the page is \d+ px too wide/);
    assert.doesNotMatch(message, /1280-light: the page/);
    return true;
  });
  assert.match(page.wrong.splice(0).join("\n"), /Content Security Policy/);
});
