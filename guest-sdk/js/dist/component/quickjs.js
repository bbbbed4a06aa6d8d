/** A component's code in QuickJS. What it installs must be there before other modules are evaluated. */
import "./text.js";
import { takeUnhandled } from "./promise.js";
import { finish } from "./event-loop.js";
import { exportsOf as asyncExportsOf, failureOf } from "./run.js";
import { log } from "./console.js";
import { describeError } from "./inspect.js";
/** Returns the exports for the function of a module. */
export function exportsOf(module) {
    const exported = asyncExportsOf(module);
    // Otherwise an activation would soon do so, and touch all that is there from the build.
    __cqjs.runGc();
    return {
        describe: exported.describe,
        run: (args) => {
            try {
                return finish(exported.run(args));
            }
            catch (thrown) {
                throw failureOf(thrown);
            }
            finally {
                for (const reason of takeUnhandled()) {
                    log("error", `a promise was rejected, and nothing handled it: ${reason instanceof Error ? describeError(reason) : String(reason)}`);
                }
            }
        },
    };
}
