// The types of the browser SDK, by the compiler of TypeScript. That the program has what
// they promise, TestTypes of functions/ingest/sdk shows.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import test from "node:test";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));

// compile runs the compiler at its strictest, and returns what it finds wrong.
function compile(file) {
  const { stdout, stderr, error } = spawnSync(process.execPath, ["node_modules/typescript/bin/tsc",
    "--noEmit", "--strict", "--exactOptionalPropertyTypes", "--skipLibCheck", "false", "--ignoreConfig", "--target", "es2018", "--lib", "es2018,dom",
    "--module", "esnext", "--moduleResolution", "bundler", "--moduleDetection", "legacy", "--types", "", file], { cwd: here, encoding: "utf8" });
  assert.ifError(error);
  return stdout + stderr;
}

// A line that should not compile and does is an error too (@ts-expect-error).
for (const file of ["types.ts", "types.script.ts"]) {
  test(`${file}: the types allow what they say, and no more`, () => assert.equal(compile(file), ""));
}
