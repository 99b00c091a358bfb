// Somebody at the dashboard: a Chromium without JavaScript, in which nothing may go wrong
// (a violation of the Content-Security-Policy, a part of a page that does not load, a
// request to another origin); and how a page looks, to axe and to a person.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { browser, LETHE_URL } from "../sdk/browser.mjs";

const axe = readFileSync(new URL("../sdk/node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const screenshots = new URL("../../.lethe/screenshots/", import.meta.url);
mkdirSync(screenshots, { recursive: true });

// Browsers that nobody uses now: to start one costs more than most of what is done in it.
const idle = [];

// visitor opens a page in a browser of its own, without cookies or anything cached. At the
// end of the test nothing has gone wrong in it; also lists the origins that it may go to
// beside the dashboard's.
export async function visitor(t, { also = [] } = {}) {
  const page = idle.pop() ?? await (await browser.newContext({ javaScriptEnabled: false, baseURL: LETHE_URL })).newPage();
  page.setDefaultTimeout(20_000);
  page.wrong = [];
  // A status of 400 or more: of a page it is the test's affair, of a part of one it is below.
  page.on("console", (m) => !["error", "warning"].includes(m.type()) || /^Failed to load resource/.test(m.text()) || page.wrong.push(m.text()));
  page.on("pageerror", (err) => page.wrong.push(String(err)));
  page.on("request", (r) => {
    const { origin } = new URL(r.url());
    if (origin !== LETHE_URL && !also.includes(origin)) page.wrong.push(`a request to ${r.url()}`);
  });
  // Aborted is what the browser gave up itself, having left the page: often the icon, for
  // which no load waits. What the page's policy or the server refuses has other names.
  page.on("requestfailed", (r) => r.isNavigationRequest() || r.failure()?.errorText === "net::ERR_ABORTED" || page.wrong.push(`${r.url()}: ${r.failure()?.errorText}`));
  page.on("response", (r) => r.request().isNavigationRequest() || r.status() < 400 || page.wrong.push(`${r.url()}: ${r.status()}`));
  t.after(async () => {
    const { wrong } = page;
    await leave(page);
    assert.deepEqual(wrong, []);
  });
  return page;
}

// leave makes a browser as good as new for the next visitor, on a page that stays as it is.
async function leave(page) {
  page.removeAllListeners();
  await page.context().clearCookies();
  await page.goto("/sign-in");
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Network.clearBrowserCache");
  await devtools.detach();
  idle.push(page);
}

// signedIn is a visitor who has signed in with a key.
export async function signedIn(t, key, options) {
  const page = await visitor(t, options);
  if (page.url() === "about:blank") await page.goto("/sign-in"); // else the last visitor has left there
  await enter(page, key);
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  return page;
}

// enter fills in and sends the form of the page for signing in.
export async function enter(page, key) {
  await page.getByLabel("API key").fill(key);
  await press(page.getByRole("button", { name: "Sign in", exact: true }));
}

// press clicks on what leads to a page, and waits until that is there. (A click alone is
// over before, and what is then read may still be of the page that was left.)
export async function press(target) {
  await target.page().waitForLoadState(); // of the page that is left, or its load would be taken for that
  await Promise.all([target.page().waitForEvent("load"), target.click()]);
}

// heading is the title of the page.
export const heading = (page) => page.getByRole("heading", { level: 1 }).innerText();

// cells are the texts of the table with a caption, row by row.
export async function cells(page, caption) {
  const rows = await page.getByRole("region", { name: caption, exact: true }).locator("tbody tr").all();
  return Promise.all(rows.map((row) => row.locator("th, td").allInnerTexts()));
}

// fact is the value beside a name in a list of facts.
export const fact = (page, name) => page.locator("dl > div", { has: page.getByText(name, { exact: true }) }).locator("dd").first().innerText();

// unfold opens a form and returns it.
export async function unfold(page, legend) {
  const form = page.locator("details", { has: page.getByText(legend, { exact: true }) });
  await form.locator("summary").click();
  return form;
}

// Axe needs JavaScript, so it gets a copy: one page for all, as to start it and to read axe
// is what costs. What it shows is exchanged, and axe stays.
const copy = await (await browser.newContext()).newPage();
const devtools = await copy.context().newCDPSession(copy);
await copy.route("**", (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html><title>Copy</title>" }));
await copy.goto(LETHE_URL);
await copy.unrouteAll();
await copy.evaluate(axe);

// show makes the copy one of a page, and waits for its parts.
async function show(page) {
  const body = await page.content();
  assert.match(body, /^<!doctype html>/i); // as the copy's own
  await copy.evaluate(async ([url, body]) => {
    history.replaceState(null, "", url);
    const root = new DOMParser().parseFromString(body, "text/html").documentElement;
    const parts = [...root.querySelectorAll("link[rel=stylesheet], img[src]")].map((part) => new Promise((ended) => { part.onload = part.onerror = ended; }));
    document.documentElement.replaceWith(root);
    await Promise.all(parts);
  }, [page.url(), body]);
}

// look checks the page as it stands by axe, at the widths of a phone and of a desk, light
// and dark (where only colours are others). If it has a name it is pictured at a desk in
// the light, or in all four ways with LETHE_PICTURES=all, since pictures are much of what
// these tests cost. Only for a picture is the window as high as the page (the picture would
// make it so and undo that): what is shown is also drawn.
export async function look(page, name) {
  const found = [];
  for (const [width, height] of [[390, 844], [1280, 900]]) {
    await copy.setViewportSize({ width, height });
    if (width === 390) await show(page);
    for (const colorScheme of ["dark", "light"]) {
      await copy.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      const at = `${name}-${width}-${colorScheme}`;
      const { violations, whole, wide } = await copy.evaluate(async (options) => ({
        violations: (await axe.run(options)).violations,
        whole: document.documentElement.scrollHeight,
        wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      }), { resultTypes: ["violations"], ...(colorScheme === "dark" && { runOnly: ["color-contrast", "link-in-text-block"] }) });
      found.push(...violations.flatMap((v) => v.nodes.map((n) => `${at}: ${v.id}: ${n.html}: ${n.failureSummary}`)));
      if (wide > 0) found.push(`${at}: the page is ${wide} px too wide`);
      if (name && (process.env.LETHE_PICTURES === "all" || (width === 1280 && colorScheme === "light"))) {
        if (whole > height) await copy.setViewportSize({ width, height: whole });
        await picture(at);
      }
    }
  }
  assert.deepEqual(found, []);
}

// picture writes what the copy shows. (Playwright's own would wait for more frames, and
// press the picture as small as it gets.)
async function picture(name) {
  const { data } = await devtools.send("Page.captureScreenshot", { format: "png", optimizeForSpeed: true });
  writeFileSync(new URL(`${name}.png`, screenshots), Buffer.from(data, "base64"));
}
