// The same for a page's script, in which lethe is the global of sdk.js.
/// <reference path="../../functions/ingest/sdk/sdk.d.ts" />
lethe.init("TOKEN", { default: "denied" });
lethe.optOut({ erase: true }).then(() => lethe.stats().queued.toFixed());
// @ts-expect-error: no such function
lethe.page();
