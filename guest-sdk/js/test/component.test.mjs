// What components bring along because an engine lacks it, where it can run on Node.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

import { format } from "../dist/component/inspect.js";
import { frameLine, userFrames } from "../dist/component/trace.js";

const native = { Promise, queueMicrotask, TextEncoder, TextDecoder };
const { drain, JobPromise, takeUnhandled } = await import("../dist/component/promise.js");
await import("../dist/component/text.js");
const own = { TextEncoder, TextDecoder };
Object.assign(globalThis, native);

test("promises do what Promises/A+ asks for", () => {
  const path = fileURLToPath(new URL("./aplus.mjs", import.meta.url));
  const { status, stdout } = spawnSync(process.execPath, [path], { encoding: "utf8" });
  assert.equal(status, 0, stdout.slice(-4000));
  assert.match(stdout, /872 passing/);
});

test("promises do what ECMAScript adds", () => {
  const seen = [];
  const keep = (name) => (value) => seen.push([name, value]);
  const wait = JobPromise.resolve();
  JobPromise.all([1, wait.then(() => 2)]).then(keep("all"));
  JobPromise.allSettled([1, JobPromise.reject(2)]).then(keep("allSettled"));
  JobPromise.any([JobPromise.reject(1), 2]).then(keep("any"));
  JobPromise.any([JobPromise.reject(1)]).catch(({ errors }) => keep("none")(errors));
  JobPromise.race([wait.then(() => 1), 2]).then(keep("race"));
  JobPromise.try((a) => a * 2, 4).then(keep("try"));
  JobPromise.reject(1).finally(keep("finally")).catch(keep("after"));
  const { promise, resolve } = JobPromise.withResolvers();
  promise.then(keep("resolvers"));
  resolve(5);
  class Sub extends JobPromise {}
  assert.ok(Sub.resolve(1).then() instanceof Sub);
  drain();
  assert.deepEqual(Object.fromEntries(seen), {
    all: [1, 2],
    allSettled: [{ status: "fulfilled", value: 1 }, { status: "rejected", reason: 2 }],
    any: 2,
    none: [1],
    race: 2,
    try: 8,
    finally: undefined,
    after: 1,
    resolvers: 5,
  });
  assert.deepEqual(takeUnhandled(), []);
  JobPromise.reject("lost");
  drain();
  assert.deepEqual(takeUnhandled(), ["lost"]);
});

test("texts are encoded and decoded as Node does it", () => {
  const texts = ["", "plain", "한국어 ü 😀 \0", "\ud800 lone", "x".repeat(10_000) + "é"];
  for (const text of texts) {
    const bytes = new native.TextEncoder().encode(text);
    assert.deepEqual(new own.TextEncoder().encode(text), bytes);
    assert.equal(new own.TextDecoder().decode(bytes), new native.TextDecoder().decode(bytes));
  }
  const broken = ["80", "c3", "c328", "e28261", "f0808080", "eda080", "f4908080", "61ff62", "f09f98", "efbbbf61", "e0a4", "c0af"];
  for (const hex of broken) {
    const bytes = Uint8Array.from(Buffer.from(hex, "hex"));
    assert.equal(new own.TextDecoder().decode(bytes), new native.TextDecoder().decode(bytes), hex);
    for (const options of [{ fatal: true }, { ignoreBOM: true }]) {
      const decode = (decoder) => {
        try {
          return decoder.decode(bytes);
        } catch (error) {
          return error.constructor.name;
        }
      };
      assert.equal(decode(new own.TextDecoder("utf-8", options)), decode(new native.TextDecoder("utf-8", options)), hex);
    }
  }
  const streamed = new own.TextDecoder();
  const bytes = new native.TextEncoder().encode("a한😀b");
  const parts = [...bytes].map((byte) => streamed.decode(Uint8Array.of(byte), { stream: true }));
  assert.equal(parts.join("") + streamed.decode(), "a한😀b");
  assert.throws(() => new own.TextDecoder("shift_jis"), /only utf-8/);
  const into = new Uint8Array(5);
  assert.deepEqual([new own.TextEncoder().encodeInto("a한é", into), [...into]], [{ read: 2, written: 4 }, [97, 237, 149, 156, 0]]);
});

test("console shows values so that they can be read", () => {
  const shown = (value) => format([value]);
  assert.equal(format(["%s has %d of %j", "Ada", 3, { a: 1 }, "and", [1, "two"]]), 'Ada has 3 of {"a":1} and [1, "two"]');
  assert.equal(shown({ a: 1, "b c": [null, undefined, 2n, -0], f() {} }), '{ a: 1, "b c": [null, undefined, 2n, -0], f: [function f] }');
  assert.equal(shown(new Map([["a", new Set([1])]])), 'Map(1) {"a" => Set(1) {1}}');
  assert.equal(shown(new Float32Array([0.5])), "Float32Array(1) [0.5]");
  assert.equal(shown(new (class Box { side = 1 })()), "Box { side: 1 }");
  const circle = { name: "c" };
  circle.self = circle;
  assert.equal(shown(circle), '{ name: "c", self: [circular] }');
  assert.match(shown(Array.from({ length: 200 }, () => 1)), /… 100 more\]$/);
  assert.match(shown(new Error("outer", { cause: new TypeError("inner") })), /^Error: outer\n[^]*\[cause\]: TypeError: inner/);
});

test("stack traces are told in the sources", () => {
  // Line 1 of the bundle: columns 0 and 10 come from lines 5 and 7 of a.ts, column 20 from a hidden file.
  const map = { sources: ["a.ts", null], mappings: "AAIA,UAEE,UCAA" };
  const stack = "    at crash (bundle:1:13)\n    at <anonymous> (bundle:1:2)\n    at hidden (bundle:1:25)\n    at throw (native)\nmain<@x.js:1:11\n";
  assert.deepEqual(userFrames(stack, map).map(frameLine), ["    at crash (a.ts:7:3)", "    at a.ts:5:1", "    at main (a.ts:7:3)"]);
});
