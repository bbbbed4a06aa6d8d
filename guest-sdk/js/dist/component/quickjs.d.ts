/** A component's code in QuickJS. What it installs must be there before other modules are evaluated. */
import "./text.js";
import { type Exports } from "./run.js";
/** The exported interface, whose functions return when they have ended. */
export interface SyncExports {
    describe: Exports["describe"];
    run(args: string): string;
}
/** Returns the exports for the function of a module. */
export declare function exportsOf(module: {
    readonly [name: string]: unknown;
}): SyncExports;
