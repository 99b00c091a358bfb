// What the types of Lethe's browser SDK allow, and what they do not: types.test.mjs
// compiles it, as a program that imports the SDK.
import * as sdk from "../../functions/ingest/sdk/sdk.js";
import type { Options, Purposes, Statement } from "../../functions/ingest/sdk/sdk.js";

const options: Options = {
  host: "https://lethe.example", default: "denied", persistence: "none", cookieDomain: "example.com", respectGPC: false, respectDNT: true,
  batchSize: 1, flushInterval: 1, queueSize: 1, retryDelay: 1, consentInterval: 1,
};
const purposes: Purposes = { analytics: true, ads: "denied" };
const statement: Statement = { basis: "legitimate_interests", noticeVersion: "2026-11" };

sdk.init("TOKEN");
sdk.init("TOKEN", options);
sdk.track("Signed up");
sdk.track("Signed up", { plan: "free", items: [1, "a", null, { deep: true }] });
sdk.identify("ada");
sdk.identify("ada", { proof: "ba7816bf" });
sdk.alias("ada@example.com");
sdk.alias("ada@example.com", "ada");
sdk.set({ plan: "pro" });
sdk.reset();
const done: Promise<void>[] = [
  sdk.optIn(), sdk.optIn({ ...statement, purposes }), sdk.optOut(), sdk.optOut({ erase: true, purposes }), sdk.clearConsent(),
  sdk.consent(purposes), sdk.consent(purposes, statement), sdk.flush(),
];
const out: boolean = sdk.hasOptedOut();
const { queued, dropped }: { queued: number; dropped: number } = sdk.stats();
void [done, out, queued, dropped];

// @ts-expect-error: a token there must be
sdk.init();
// @ts-expect-error: granted or denied
sdk.init("TOKEN", { default: "deny" });
// @ts-expect-error: what is kept in memory is "none"
sdk.init("TOKEN", { persistence: "memory" });
// @ts-expect-error: no such option
sdk.init("TOKEN", { respectGpc: true });
// @ts-expect-error: an event has a name
sdk.track({ plan: "free" });
// @ts-expect-error: properties are no text
sdk.track("Signed up", "free");
// @ts-expect-error: an id is a text
sdk.identify(7);
// @ts-expect-error: a proof is a text
sdk.identify("ada", { proof: 7 });
// @ts-expect-error: no such basis
sdk.optIn({ basis: "because" });
// @ts-expect-error: erase goes with optOut
sdk.optIn({ erase: true });
// @ts-expect-error: a purpose is granted or denied
sdk.consent({ analytics: "perhaps" });
// @ts-expect-error: no such function
sdk.page();
