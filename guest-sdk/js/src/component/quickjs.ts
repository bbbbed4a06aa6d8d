/** A component's code in QuickJS. What it installs must be there before other modules are evaluated. */

import "./text.js";
import { takeUnhandled } from "./promise.js";
import { finish } from "./event-loop.js";
import { type Exports, exportsOf as asyncExportsOf, failureOf } from "./run.js";
import { log } from "./console.js";
import { describeError } from "./inspect.js";

/** What the runtime offers. */
declare const __cqjs: { runGc(): void };

/** The exported interface, whose functions return when they have ended. */
export interface SyncExports {
  describe: Exports["describe"];
  run(args: string): string;
}

/** Returns the exports for the function of a module. */
export function exportsOf(module: { readonly [name: string]: unknown }): SyncExports {
  const exported = asyncExportsOf(module);
  // Otherwise an activation would soon do so, and touch all that is there from the build.
  __cqjs.runGc();
  return {
    describe: exported.describe,
    run: (args) => {
      try {
        return finish(exported.run(args));
      } catch (thrown) {
        throw failureOf(thrown);
      } finally {
        for (const reason of takeUnhandled()) {
          log("error", `a promise was rejected, and nothing handled it: ${reason instanceof Error ? describeError(reason) : String(reason)}`);
        }
      }
    },
  };
}
