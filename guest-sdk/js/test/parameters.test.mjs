// Parameters, their schema and JSON.

import assert from "node:assert/strict";
import { test } from "node:test";

import { InternalError, InvalidError, keynetFunction, UserInput } from "@keynet/inference";
import { Environment } from "@keynet/inference/testing";

import { parseJson, resultToJson } from "../dist/json.js";

const SCHEMA = {
  type: "object",
  properties: {
    name: { type: "string", description: "Who is greeted.\nAt length." },
    threshold: { type: "number", default: 0.5, minimum: 0, maximum: 1 },
    limit: { type: "integer" },
    seed: { type: "integer", format: "int64" },
    mode: { enum: ["fast", "exact"] },
    box: { type: "array", items: { type: "number" }, minItems: 4, maxItems: 4 },
    draw: { type: ["boolean", "null"] },
    deep: { type: "object", properties: { x: { type: "integer" } }, required: ["x"], additionalProperties: false },
  },
  required: ["name"],
};
const main = keynetFunction({ name: "echo", input: SCHEMA }, async (args) => ({ ...args, seed: args.seed?.toString() ?? null }));
const call = (parameters) => new Environment().call(main, parameters);
const refused = (parameters, ...texts) =>
  assert.rejects(call(parameters), (error) => {
    for (const text of texts) assert.ok(error.message.includes(text), error.message);
    return error instanceof InvalidError;
  });

test("parameters have their defaults and their types", async () => {
  assert.deepEqual(await call({ name: "Ada", seed: 7, other: [1] }), { name: "Ada", threshold: 0.5, seed: "7", other: [1] });
  assert.deepEqual(await call({ name: "", draw: null, deep: { x: 3 } }), { name: "", threshold: 0.5, draw: null, deep: { x: 3 }, seed: null });
  assert.equal((await call({ name: "", seed: -(2n ** 63n) })).seed, "-9223372036854775808");
  assert.equal((await call({ name: "", limit: 3.0 })).limit, 3);
});

test("a mistake names the parameter, what was expected and what came", async () => {
  await refused({}, "the parameter `name` is missing: expected a string, \"Who is greeted.\"");
  await refused({ name: 5 }, "the parameter `name`: expected a string, came number `5`");
  await refused({ name: "", limit: 1.5 }, "expected a whole number, came number `1.5`");
  await refused({ name: "", limit: 2n ** 60n }, "a whole number up to 2^53");
  await refused({ name: "", seed: 2n ** 63n }, "a whole number of 64 bits");
  await refused({ name: "", threshold: "high" }, "expected a number, came string \"high\"");
  await refused({ name: "", threshold: 2 }, "0 to 1", "came number `2`");
  await refused({ name: "", mode: "slow" }, 'one of "fast", "exact"');
  await refused({ name: "", box: [1, 2, 3, "4"] }, "`box[3]`: expected a number");
  await refused({ name: "", box: [1] }, "an array of 4 to 4 elements, came an array of 1");
  await refused({ name: "", draw: "yes" }, "expected true or false or null");
  await refused({ name: "", deep: {} }, "`deep.x` is missing");
  await refused({ name: "", deep: { x: 1, y: 2 } }, "there is no parameter `deep.y`: there is x");
  await refused({ name: "x".repeat(100) + "\n", limit: "x".repeat(100) }, "…");
});

test("a web action's texts become the numbers and booleans that are declared", async () => {
  const web = { __ow_method: "get", name: "7" };
  const sent = { ...web, threshold: " 0.25 ", limit: "12", seed: "9007199254740993", draw: "TRUE" };
  assert.deepEqual(await call(sent), { ...web, threshold: 0.25, limit: 12, seed: "9007199254740993", draw: true });
  await refused({ ...web, limit: "0.5" }, "`limit`: expected a whole number, came string \"0.5\"");
  await refused({ ...web, threshold: "Infinity" }, "expected a number");
  await refused({ ...web, threshold: "" }, "expected a number");
  await refused({ name: "", limit: "12" }, "expected a whole number, came string \"12\"");
});

test("a schema that says what is not checked is refused while the module is loaded", () => {
  const make = (input, name = "x") => keynetFunction({ name, input }, async () => ({}));
  const property = (schema) => make({ type: "object", properties: { a: schema } });
  assert.throws(() => property({ type: "string", pattern: "a" }), /`input.properties.a` has the keyword `pattern`/);
  assert.throws(() => property({ type: "float" }), /the type "float"/);
  assert.throws(() => make({ type: "object", required: ["b"] }), /requires `b`, which is none of its properties/);
  assert.throws(() => make({ type: "array" }), /type: "object"/);
  assert.throws(() => make({ type: "object" }, "My Action"), /the function's name "My Action" is not allowed/);
  assert.throws(() => keynetFunction({ name: "x", description: " " }, async () => ({})), /not empty/);
});

test("UserInput reads the parameters anywhere, each caller its own", async () => {
  const inner = async () => ({ sent: UserInput.get("a", 1), missing: UserInput.get("b", "none"), all: UserInput.names() });
  const reads = keynetFunction({ name: "reads" }, async () => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    return inner();
  });
  const [one, other] = await Promise.all([new Environment().call(reads, { a: 2 }), new Environment().param("a", 3).call(reads)]);
  assert.deepEqual(one, { sent: 2, missing: "none", all: ["a"] });
  assert.equal(other.sent, 3);
  const mistaken = keynetFunction({ name: "mistaken" }, async () => ({ a: UserInput.get("a", 0.5), r: UserInput.require("r") }));
  await assert.rejects(new Environment().call(mistaken, { a: "high", r: 1 }), /`a`: expected a number, came a string "high"/);
  await assert.rejects(new Environment().call(mistaken, {}), /the parameter `r` is missing/);
  assert.throws(() => UserInput.get("a"), /there is no host here/);
});

test("JSON keeps whole numbers of any size", () => {
  const text = '{"a":[9223372036854775807,-9223372036854775808,18446744073709551615],"b":"9223372036854775807","c":1.5,"d":9007199254740991}';
  assert.deepEqual(parseJson(text), { a: [2n ** 63n - 1n, -(2n ** 63n), 2n ** 64n - 1n], b: "9223372036854775807", c: 1.5, d: 2 ** 53 - 1 });
  assert.equal(resultToJson(parseJson(text)), text);
  const tricky = '{"bigint:12345678901234567":"xbigint:1 \\" 12345678901234567890","n":12345678901234567890}';
  assert.equal(resultToJson(parseJson(tricky)), tricky);
  assert.throws(() => parseJson('{"a": 1e400}'), /out of the range of a double/);
  assert.deepEqual(parseJson('{"a": 1e300, "__proto__": 1}'), JSON.parse('{"a": 1e300, "__proto__": 1}'));
});

test("a result that JSON does not have is named with its place", () => {
  const refuses = (value, text) =>
    assert.throws(() => resultToJson(value), (error) => error instanceof InternalError && error.message.includes(text) || assert.fail(error.message));
  refuses("text", 'the function returned "text", but a result must be an object or an array');
  refuses(undefined, "returned undefined");
  refuses({ a: [1, { b: NaN }] }, "`result.a[1].b`: JSON has no NaN");
  refuses({ map: new Map() }, "`result.map`: a Map is not JSON: use Object.fromEntries");
  refuses([new Float32Array(2)], "`result[0]`: a typed array is not JSON");
  refuses({ f: () => 1 }, "a function is not JSON");
  refuses({ p: Promise.resolve(1) }, "await it");
  const circle = {};
  circle.self = circle;
  refuses(circle, "contains itself");
  assert.equal(resultToJson({ a: undefined, d: new Date(0), n: 5e-324 }), '{"d":"1970-01-01T00:00:00.000Z","n":5e-324}');
});
