// The function on Node: objects and models are in memory, see `@keynet/inference/testing`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { InvalidError } from "@keynet/inference";
import { Environment } from "@keynet/inference/testing";

import { main } from "../main.js";

test("it greets", async () => {
  assert.deepEqual(await new Environment().call(main, { name: "Ada" }), { greeting: "Hello, Ada!" });
});

test("an empty name is refused", async () => {
  await assert.rejects(new Environment().call(main, { name: "" }), InvalidError);
});
