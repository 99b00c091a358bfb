// Staff sign in through the issuer, and see a customer's data under a grant and no longer;
// and the pages that anybody may see.
import assert from "node:assert/strict";
import test from "node:test";
import { LETHE_URL } from "../sdk/browser.mjs";
import { cells, fact, heading, look, press, signedIn, visitor } from "./visitor.mjs";
import { call, fill, member, newProject } from "./world.mjs";

const shop = await newProject("shop");
await fill(shop, 5);

test("staff: sign-in, a grant, its end", async (t) => {
  const helper = await member("helper@localhost", "support");
  const officer = await member("officer@localhost", "privacy-officer");
  const page = await visitor(t, { also: [process.env.LETHE_STAFF_ISSUER] });
  await page.goto("/");
  await press(page.getByRole("link", { name: "Sign in with Google" }));
  assert.equal(await heading(page), "Choose an account");
  await page.getByLabel("E-mail address").fill("helper@localhost");
  await press(page.getByRole("button", { name: "Continue" }));
  assert.equal(await heading(page), "Choose a project");
  await look(page, "staff-no-grant");

  const grant = await call(helper, "POST", "/v1/grants", { project: shop.id, reason: "the customer's ticket", ticket: "T-7", duration: "1h" });
  await call(officer, "POST", `/v1/grants/${grant.id}/approve`);
  await page.reload();
  await look(page, "staff-grants");
  await press(page.getByRole("button", { name: `Open ${shop.id}` }));
  assert.equal(await heading(page), "Person");
  await page.getByLabel("distinct_id").fill("customer-0001");
  await press(page.getByRole("button", { name: "Look up" }));
  assert.equal((await cells(page, "Properties")).find(([name]) => name === "$email")[1], "customer-0001@example.com");
  await look(page, "staff-person");

  // The customer sees it, and ends it.
  const theirs = await signedIn(t, shop.key);
  await theirs.goto("/settings/staff");
  await look(theirs, "settings-staff");
  const [row] = await cells(theirs, "Grants, the newest first");
  assert.deepEqual(row.slice(1, 4), ["✓ live", "the customer's ticket", "T-7"]);
  await press(theirs.getByRole("link", { name: row[0] }));
  await look(theirs, "settings-grant");
  const seen = (await shop.call("GET", "/v1/access-log?action=person.read")).entries.map((e) => e.entry);
  assert.deepEqual(seen.map((e) => e.actor_kind), ["staff"]);
  await press(theirs.getByRole("button", { name: "End this grant" }));
  assert.equal(await fact(theirs, "State"), "ended");
  await page.reload();
  assert.match(await page.getByRole("main").innerText(), /grant/);
  assert.ok(!(await page.content()).includes("customer-0001@example.com"));
});

test("guides and reference, for anybody", async (t) => {
  const page = await visitor(t);
  await page.goto("/guides");
  await look(page, "guides");
  const guides = await page.getByRole("main").locator("li a").evaluateAll((all) => all.map((a) => a.getAttribute("href")));
  assert.ok(guides.length >= 5, String(guides));
  for (const path of guides) {
    await page.goto(path);
    assert.ok((await page.getByRole("main").innerText()).includes(LETHE_URL), path);
    await look(page, path.slice(1).replaceAll("/", "-"));
  }
  await page.goto("/reference");
  await look(page, "reference");
  await press(page.getByRole("heading", { level: 3 }).first().getByRole("link"));
  await look(page, "reference-tag");
});
