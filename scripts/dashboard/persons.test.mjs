// One person: what is known, what is asked for, and what comes of it.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import test from "node:test";
import { until } from "../sdk/browser.mjs";
import { cells, fact, heading, look, press, signedIn, unfold, visitor } from "./visitor.mjs";
import { newProject, send } from "./world.mjs";

const storage = `http://${process.env.STORAGE_EMULATOR_HOST.replace(/^http:\/\//, "")}`;
const shop = await newProject("shop");
const pages = ["Overview", "Explore", "Funnel", "Retention", "Person"];

// customer is a new person with a profile and three events.
async function customer() {
  const id = `ada+${randomUUID()}@example.com`;
  const now = Math.floor(Date.now() / 1000);
  await send(shop, "/engage", [{ $token: shop.token, $distinct_id: id, $set: { $name: "Ada Berger", city: "Berln", plan: "pro" } }]);
  await send(shop, "/import?strict=1", ["Signed up", "Added to cart", "Purchased"].map((event, i) => ({ event,
    properties: { token: shop.token, distinct_id: id, time: now - 3600 * (3 - i), $insert_id: randomUUID(), city: "Berln", ...!i && { referrer: `https://search.example/${"q".repeat(120)}` }, ...i && { amount: 12.5 * i } } })));
  const at = `/v1/people/${encodeURIComponent(id)}`;
  const known = async () => (await shop.call("GET", `${at}/events`)).events.length + Object.keys((await shop.call("GET", at)).profile).length;
  await until("what is known", () => known().catch(String), (n) => n === 6); // at first 404
  return id;
}

// find looks a person up, as one does at the page; the distinct_id is in no address.
async function find(page, id) {
  await press(page.getByRole("link", { name: "Person", exact: true }));
  await page.getByLabel("distinct_id").fill(id);
  await press(page.getByRole("button", { name: "Look up" }));
  assert.equal(await fact(page, "distinct_id"), id);
  assert.ok(!decodeURIComponent(page.url()).includes("ada+"), page.url());
}

// done waits until the page of a request, which asks again by itself, says so.
const done = (page) => page.locator("dd", { hasText: /^✓ done$/ }).waitFor({ timeout: 30_000 });

test("search, profile, timeline", async (t) => {
  const id = await customer();
  const page = await signedIn(t, shop.key);
  await page.goto("/person");
  await look(page, "person-search");
  await find(page, id);
  assert.deepEqual(await cells(page, "Properties"), [["$name", "Ada Berger"], ["city", "Berln"], ["plan", "pro"]]);
  assert.deepEqual((await cells(page, "Events, the newest first")).map((row) => row[1]), ["Purchased", "Added to cart", "Signed up"]);

  const other = await visitor(t); // the address is of no use to others
  await other.goto(page.url());
  assert.equal(await heading(other), "Sign in");
  const them = await signedIn(t, shop.key);
  assert.equal((await them.goto(page.url())).status(), 404);
});

test("consent and restriction", async (t) => {
  const id = await customer();
  const page = await signedIn(t, shop.key);
  await find(page, id);
  const consent = await unfold(page, "Set consent…");
  await consent.getByLabel("State").selectOption("denied");
  await consent.getByLabel("Lawful basis").selectOption("consent");
  await consent.getByLabel("Version of the notice").fill("2026-11");
  await consent.getByLabel("Source").fill("letter of 3 November");
  await press(consent.getByRole("button"));
  assert.equal(await page.getByRole("status").innerText(), "Consent is set.");
  assert.deepEqual((await cells(page, "History of consent, the newest first")).map((row) => row.slice(1)), [["denied", "a key", "consent", "2026-11", "letter of 3 November"]]);
  const at = `/v1/people/${encodeURIComponent(id)}`;
  assert.equal((await shop.call("GET", `${at}/consent`)).state, "denied");

  const restrict = await unfold(page, "Restrict…");
  await restrict.getByLabel("Reason (optional)").fill("disputes her address");
  await press(restrict.getByRole("button"));
  assert.equal(await page.getByRole("status").innerText(), "The person is restricted.");
  assert.equal((await shop.call("GET", `${at}/restriction`)).restricted, true);
  await look(page, "person");
  await press(page.getByRole("button", { name: "Lift the restriction" }));
  assert.equal((await shop.call("GET", `${at}/restriction`)).restricted, false);
});

test("ids: linked by the SDK, confirmed, taken back", async (t) => {
  const id = await customer();
  const [device, either] = [`$device:${randomUUID()}`, randomUUID()];
  const identify = ($anon_distinct_id) => ({ event: "$identify", properties: { token: shop.token, distinct_id: id, $anon_distinct_id, time: Math.floor(Date.now() / 1000), $insert_id: randomUUID() } });
  await send(shop, "/import?strict=1", [identify(device), identify(either)]);
  const at = `/v1/people/${encodeURIComponent(id)}`;
  await until("the links", () => shop.call("GET", at), (a) => a.links?.length === 2);
  const page = await signedIn(t, shop.key);
  await find(page, id);
  const rows = async () => Object.fromEntries((await cells(page, "Ids")).map(([name, ...rest]) => [name, rest]));
  const before = await rows();
  assert.deepEqual([before[device].slice(0, 3), before[either].slice(0, 3)], [["linked", id, "the SDK"], ["not confirmed", id, "the SDK"]]);
  await look(page, "person-ids");
  const confirm = await unfold(page, "Confirm a link…");
  await press(confirm.getByRole("button"));
  assert.equal(await page.getByRole("status").innerText(), "The link is confirmed.");
  assert.equal((await shop.call("GET", at)).identities, 3);
  const back = await unfold(page, "Take back…");
  await back.getByLabel("Link", { exact: true }).selectOption(`${device} → ${id}`);
  await press(back.getByRole("button"));
  assert.equal(await page.getByRole("status").innerText(), "The link is taken back.");
  const link = await unfold(page, "Link another id…");
  await link.getByLabel("Other id").fill("[object Object]");
  await press(link.getByRole("button"));
  assert.match(await page.getByRole("alert").innerText(), /Other id/);
  await page.getByLabel("Other id").fill(device);
  await press(page.getByRole("button", { name: "Link the id" }));
  assert.equal((await shop.call("GET", at)).identities, 3);
  assert.match((await rows())[device][2], /^a key/);
  const remove = await unfold(page, "Delete…");
  assert.match(await remove.innerText(), /It covers all 3 ids of the person/);
});

test("rectify", async (t) => {
  const id = await customer();
  const page = await signedIn(t, shop.key);
  await find(page, id);
  const form = await unfold(page, "Correct…");
  await form.getByLabel("In", { exact: true }).selectOption("both");
  await form.getByLabel("Property").fill("city");
  await form.getByLabel("New value, as JSON").fill("Berlin");
  await form.getByLabel("Reason").fill("a typing mistake");
  await press(form.getByRole("button"));
  assert.match(await page.getByRole("alert").innerText(), /New value, as JSON/);
  assert.match(await page.getByLabel("New value, as JSON").getAttribute("aria-describedby").then((ids) => page.locator(ids.split(" ").map((id) => `#${id}`).join(",")).last().innerText()), /not JSON/);
  assert.equal(await page.getByLabel("Property").inputValue(), "city"); // what was typed is kept
  await look(page, "person-wrong");
  await page.getByLabel("New value, as JSON").fill('"Berlin"');
  await press(page.getByRole("button", { name: "Correct", exact: true }));
  await done(page);
  await look(page, "rectification");
  await find(page, id);
  assert.deepEqual((await cells(page, "Properties"))[1], ["city", "Berlin"]);
  assert.ok((await cells(page, "Events, the newest first")).every((row) => row[2].includes("city: Berlin")));
});

test("export, to the download", async (t) => {
  const id = await customer();
  const page = await signedIn(t, shop.key, { also: [storage] });
  await find(page, id);
  const form = await unfold(page, "Export…");
  await form.getByLabel("Events as").selectOption("csv");
  await press(form.getByRole("button"));
  assert.equal(await heading(page), "Export");
  await done(page);
  await look(page, "export");
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Download" }).click()]);
  const zip = Buffer.concat(await (await file.createReadStream()).toArray());
  assert.equal(zip.subarray(0, 2).toString(), "PK");
  assert.ok(zip.includes("index.html"), `${zip.length} bytes`);
});

test("delete, to the receipt", async (t) => {
  const id = await customer();
  const page = await signedIn(t, shop.key);
  await find(page, id);
  const form = await unfold(page, "Delete…");
  await form.getByLabel("Withdraw consent as well").check();
  await press(form.getByRole("button"));
  assert.equal(await heading(page), "Delete this person?");
  assert.equal((await shop.call("GET", "/v1/deletions")).deletions.length, 0);
  await look(page, "deletion-sure");
  await press(page.getByRole("button", { name: "Delete for good" }));
  await done(page);
  await look(page, "deletion");
  const counts = Object.fromEntries((await cells(page, "Counts")).map(([name, ...rest]) => [name, rest]));
  assert.deepEqual([counts.events[0], counts.events[3], counts.profiles[0], counts.profiles[3]], ["3", "0", "1", "0"]);
  await press(page.getByRole("link", { name: "Receipt", exact: true }));
  assert.match(await page.getByRole("main").innerText(), /✓ The signature is good/);
  await look(page, "receipt");
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Download the receipt" }).click()]);
  const jws = Buffer.concat(await (await file.createReadStream()).toArray()).toString();
  const receipt = JSON.parse(Buffer.from(jws.split(".")[1], "base64url"));
  assert.ok(jws.split(".").length === 3 && !JSON.stringify(receipt).includes(id), JSON.stringify(receipt));

  const at = `/v1/people/${encodeURIComponent(id)}`;
  await assert.rejects(shop.call("GET", at), /404/);
  assert.equal((await shop.call("GET", `${at}/consent`)).state, "denied");
  await find(page, id);
  assert.match(await page.getByRole("main").innerText(), /Nothing is known of this distinct_id/);
  await look(page, "person-unknown");
});

test("requests for several persons", async (t) => {
  const ids = [await customer(), await customer()];
  const page = await signedIn(t, shop.key);
  await press(page.getByRole("link", { name: "Requests" }));
  await press(page.getByRole("link", { name: "New request" }));
  await page.getByLabel("distinct_ids, one a line").fill(ids.join("\n"));
  await look(page, "request-new");
  await press(page.getByRole("button", { name: "Continue" }));
  await done(page);
  assert.equal(await fact(page, "distinct_ids asked for"), "2");
  await press(page.getByRole("link", { name: "← Requests" }));
  const newest = (await cells(page, "Exports, the newest first"))[0];
  assert.equal(newest[1], "✓ done");
  await look(page, "requests");
});

test("a request that waits until it is said who is meant", async (t) => {
  const id = await customer();
  const email = `${randomUUID()}@example.com`;
  await send(shop, "/engage", [{ $token: shop.token, $distinct_id: id, $set: { $email: email } }]);
  await until("the address", () => shop.call("GET", `/v1/people/${encodeURIComponent(id)}`), (a) => a.profile.$email === email);
  const request = randomUUID();
  await shop.call("POST", "/requests", { regulation: "gdpr", api_version: "2.0", subject_request_id: request, subject_request_type: "access", submitted_time: new Date().toISOString(),
    subject_identities: [{ identity_type: "email", identity_value: email, identity_format: "raw" }] });
  const page = await signedIn(t, shop.key);
  await page.goto(`/data-requests/exports/${request}`);
  await page.locator("dd", { hasText: /^waits for confirmation$/ }).waitFor({ timeout: 30_000 });
  assert.deepEqual(await cells(page, "Persons who may be meant"), [[id, "e-mail address"]]);
  await look(page, "request-waits");
  await page.getByLabel(`${id} (e-mail address)`).check();
  await press(page.getByRole("button", { name: "Confirm and go on" }));
  await done(page);
  assert.equal(await fact(page, "distinct_ids asked for"), "1");
});

test("a reader sees, and is offered nothing else", async (t) => {
  const id = await customer();
  const { secret } = await shop.call("POST", "/v1/keys", { name: "reader", role: "reader" });
  const page = await signedIn(t, secret);
  assert.deepEqual(await page.getByRole("navigation", { name: "Pages" }).getByRole("link").allInnerTexts(), pages);
  await find(page, id);
  assert.deepEqual(await page.getByRole("button").allInnerTexts(), ["Sign out", "Look up", "Show"]);
  assert.deepEqual((await cells(page, "Properties"))[0], ["$name", "Ada Berger"]);
  await look(page, "person-reader");
  for (const path of ["/access-log", "/settings", "/settings/keys", "/settings/retention"]) {
    assert.equal((await page.goto(path)).status(), 403, path);
  }
  await look(page, "forbidden");
  // The form that the page does not offer is refused by the API all the same.
  await find(page, id);
  const sent = await page.request.post(page.url(), { form: { do: "export", format: "csv" }, headers: { origin: new URL(page.url()).origin } });
  assert.equal(sent.status(), 403);
});
