// Runs the tests of Promises/A+ on the promises of QuickJS's components; their jobs run after each turn of Node's loop.

import { createRequire } from "node:module";

const native = { Promise, queueMicrotask };
const { drain, JobPromise } = await import("../dist/component/promise.js");
Object.assign(globalThis, native);
const tests = createRequire(new URL("../tools/", import.meta.url))("promises-aplus-tests");

const turn = () => {
  drain();
  setImmediate(turn).unref();
};
setInterval(drain, 1).unref();
turn();
tests({ deferred: () => JobPromise.withResolvers() }, { reporter: "dot", timeout: 60_000 }, (error) => process.exit(error ? 1 : 0));
