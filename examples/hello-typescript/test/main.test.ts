// The action on Node: `npm test`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { InvalidError } from "@keynet/inference";
import { Environment } from "@keynet/inference/testing";

import { main } from "../main.ts";

test("it greets", async () => {
  assert.deepEqual(await new Environment().call(main, { name: "Ada" }), { greeting: "Hello, Ada!" });
  assert.deepEqual(await main({ name: "안녕" }), { greeting: "Hello, 안녕!" });
});

test("the name is required", async () => {
  await assert.rejects(new Environment().call(main, {}), InvalidError);
});
