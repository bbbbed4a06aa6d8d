/** A component's code in SpiderMonkey, which waits for promises and has timers, texts and randomness of its own. */

export { exportsOf } from "./run.js";
