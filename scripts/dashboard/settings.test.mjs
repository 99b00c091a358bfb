// What an admin sets, and who has looked: the settings and the access log.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import test from "node:test";
import { LETHE_URL, until } from "../sdk/browser.mjs";
import { cells, fact, heading, look, press, signedIn, unfold } from "./visitor.mjs";
import { fill, newProject, seal } from "./world.mjs";

const shop = await newProject("shop");
const events = await fill(shop, 20);

// settings opens a part of the settings.
async function settings(t, part, project = shop) {
  const page = await signedIn(t, project.key);
  await press(page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Settings" }));
  if (part) await press(page.getByRole("navigation", { name: "Parts of this page" }).getByRole("link", { name: part }));
  return page;
}

const said = (page) => page.getByRole("status").first().innerText();

test("the project and its evidence", async (t) => {
  const page = await settings(t);
  assert.equal(await fact(page, "Project"), shop.id);
  await look(page, "settings");
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Download the evidence, signed" }).click()]);
  const jws = Buffer.concat(await (await file.createReadStream()).toArray()).toString();
  assert.ok(Buffer.from(jws.split(".")[1], "base64url").includes(shop.id), jws.slice(0, 200));
});

test("retention: what would go, then the change, then it is taken back", async (t) => {
  const page = await settings(t, "Retention");
  await look(page, "settings-retention");
  await page.getByLabel("Keep events for (days)").fill("7");
  await press(page.getByRole("button", { name: "Preview" }));
  const before = new Date(await fact(page, "First day that is kept") + "T00:00:00Z").getTime() / 1000;
  assert.equal(await fact(page, "Events that would be purged today"), String(events.filter((e) => e.properties.time < before).length));
  await look(page, "settings-retention-sure");
  const days = async () => (await shop.call("GET", "/v1/retention")).retention_days;
  assert.notEqual(await days(), 7);
  await press(page.getByRole("button", { name: "Change it" }));
  assert.equal(await fact(page, "Events will be kept"), "7 days");
  assert.equal((await shop.call("GET", "/v1/retention")).pending.retention_days, 7);
  await look(page, "settings-retention-pending");
  await press(page.getByRole("button", { name: "Take it back" }));
  assert.equal((await shop.call("GET", "/v1/retention")).pending ?? null, null);
});

test("a key: its secret is shown once, works, and is revoked", async (t) => {
  const page = await settings(t, "API keys");
  const form = await unfold(page, "New key…");
  await form.getByLabel("Name").fill("nightly report");
  await form.getByLabel("Role").selectOption("privacy");
  await press(form.getByRole("button"));
  const secret = await page.getByRole("status").locator("code").innerText();
  assert.match(secret, /^lethe_/);
  await look(page, "settings-key-made");
  const works = () => fetch(`${LETHE_URL}/v1/exports`, { headers: { authorization: `Bearer ${secret}` } }).then((res) => res.status);
  assert.equal(await works(), 200);
  await page.goto("/settings/keys");
  assert.ok(!(await page.content()).includes(secret));
  await look(page, "settings-keys");

  const theirs = await signedIn(t, secret); // a session of it ends with it
  await press(page.getByRole("link", { name: "nightly report" }));
  const revoke = await unfold(page, "Revoke…");
  await look(page, "settings-key");
  await revoke.getByRole("checkbox").check();
  await press(revoke.getByRole("button"));
  assert.equal(await said(page), "It is revoked.");
  assert.equal(await works(), 401);
  await theirs.goto("/");
  assert.equal(await heading(theirs), "Sign in");
});

test("an SDK token", async (t) => {
  const page = await settings(t, "SDK tokens");
  const form = await unfold(page, "New token…");
  await form.getByLabel("Only from pages").fill("no origin");
  await press(form.getByRole("button"));
  assert.ok(await page.locator("[aria-invalid=true]").count() === 1);
  await look(page, "settings-token-wrong");
  await page.getByLabel("Only from pages").fill("https://shop.example");
  await press(page.getByRole("button", { name: "Make the token" }));
  const token = await page.getByRole("status").locator("code").innerText();
  assert.match(token, /^[0-9a-f]{32}$/);
  await page.goto("/settings/tokens");
  assert.ok(!(await page.content()).includes(token));
  await look(page, "settings-tokens");
});

test("user ids, and the secrets that prove them", async (t) => {
  const page = await settings(t, "User ids");
  await page.getByLabel("The app's own user ids are").selectOption("UUIDs");
  await press(page.getByRole("button", { name: "Save" }));
  assert.equal(await said(page), "Saved.");
  assert.equal((await shop.call("GET", "/v1/project")).settings.user_ids, "uuid");
  const form = await unfold(page, "New secret…");
  await press(form.getByRole("button"));
  const secret = await page.getByRole("status").locator("code").innerText();
  assert.match(secret, /^lethe_identity_/);
  await look(page, "settings-identity-made");
  await page.goto("/settings/identity");
  assert.ok(!(await page.content()).includes(secret));
  await look(page, "settings-identity");
  const end = await unfold(page, "End…");
  await end.getByRole("checkbox").check();
  await press(end.getByRole("button"));
  assert.deepEqual((await shop.call("GET", "/v1/project")).identity_secrets, []);
});

test("a webhook: made, tried, deleted", async (t) => {
  const got = [];
  const server = createServer((req, res) => {
    got.push(req.headers["webhook-id"]);
    req.resume().on("end", () => res.writeHead(204).end());
  }).listen(0, "localhost");
  t.after(() => server.close());
  const page = await settings(t, "Webhooks");
  const form = await unfold(page, "New webhook…");
  const address = `http://localhost:${server.address().port}/lethe`;
  await form.getByLabel("Address").fill(address);
  await press(form.getByRole("button"));
  assert.match(await page.getByRole("status").locator("code").innerText(), /^whsec_/);
  await press(page.getByRole("link", { name: address }));
  await press(page.getByRole("button", { name: "Send a test" }));
  assert.equal(await fact(page, "Answer"), "204");
  assert.ok(got.length === 1 && got[0]);
  await look(page, "settings-webhook");
  await press(page.getByRole("link", { name: "← All webhooks" }));
  await look(page, "settings-webhooks");
  await press(page.getByRole("link", { name: address }));
  const remove = await unfold(page, "Delete…");
  await remove.getByRole("checkbox").check();
  await press(remove.getByRole("button"));
  assert.equal(await said(page), "It is deleted.");
  assert.deepEqual((await shop.call("GET", "/v1/webhooks")).webhooks, []);
});

test("the agreement is accepted, and events are taken", async (t) => {
  const young = await newProject("young", { agreed: false });
  const page = await settings(t, "", young);
  assert.match(await page.getByRole("alert").innerText(), /not accepted/);
  await press(page.getByRole("link", { name: "Agreement", exact: true }));
  const form = await unfold(page, "Accept…");
  await look(page, "settings-agreement");
  await form.getByLabel("Your name").fill("Ada Byron");
  await form.getByLabel("Your role").fill("director");
  await form.getByRole("checkbox").check();
  await press(form.getByRole("button"));
  assert.equal(await said(page), "The agreement is accepted.");
  assert.equal((await young.call("GET", "/v1/project")).dpa.in_force, true);
  assert.deepEqual((await cells(page, "What was accepted, the newest first"))[0].slice(1, 3), ["Ada Byron", "director"]);
  await look(page, "settings-agreement-accepted");
});

test("consent, contacts", async (t) => {
  const page = await settings(t, "Consent");
  await page.getByLabel("Who has said nothing").selectOption("denied");
  await page.getByLabel("Other defaults by country").fill("US granted");
  await press(page.getByRole("button", { name: "Save" }));
  assert.equal(await said(page), "Saved.");
  const { consent } = (await shop.call("GET", "/v1/project")).settings;
  assert.deepEqual([consent.default, consent.regions], ["denied", { US: "granted" }]);
  await look(page, "settings-consent");
  await press(page.getByRole("link", { name: "Contacts" }));
  await page.getByLabel("E-mail addresses").fill("privacy@example.com");
  await press(page.getByRole("button", { name: "Save" }));
  assert.deepEqual((await shop.call("GET", "/v1/project/contacts")).emails, ["privacy@example.com"]);
  await look(page, "settings-contacts");
});

test("the access log, and its proofs", async (t) => {
  await shop.call("GET", "/v1/people/customer-0001");
  await seal();
  await until("the log to be sealed", () => shop.call("GET", "/v1/access-log/checkpoint").catch(String), (a) => typeof a === "object");
  const page = await signedIn(t, shop.key);
  await press(page.getByRole("link", { name: "Access log" }));
  await page.getByLabel("About the person").fill("customer-0001");
  await press(page.getByRole("button", { name: "Show" }));
  assert.ok(!page.url().includes("customer"), page.url());
  const rows = await cells(page, "Accesses, the newest first");
  assert.deepEqual(rows.map((row) => row[1]), ["person.read"]);
  assert.match(rows[0].at(-1), /verified/);
  await page.goto("/access-log");
  await look(page, "access-log");
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "All that fits, as CSV" }).click()]);
  assert.match(Buffer.concat(await (await file.createReadStream()).toArray()).toString(), /person\.read/);
});
