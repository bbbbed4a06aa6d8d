/** What differs between the engines, in values that cross the boundary to the host. */
/** Whether this is QuickJS; otherwise it is SpiderMonkey. */
export const isQuickJs = "__cqjs" in globalThis;
/** Returns a whole number as the engine hands over 64 bits. */
export const toU64 = isQuickJs ? (value) => value : BigInt;
/** Returns `undefined` for an absent value of either engine. */
export function present(value) {
    return value ?? undefined;
}
/** Gives a resource back to the host. It must not be used afterwards, and not be given back twice. */
export function drop(resource) {
    const symbols = [Symbol.dispose, Symbol.for("dispose")];
    for (const symbol of symbols) {
        const dispose = resource[symbol];
        if (typeof dispose === "function") {
            dispose.call(resource);
            return;
        }
    }
}
let isRunning = false;
/** Whether an activation runs; otherwise the component is built, and the interfaces of WASI cannot be called in SpiderMonkey. */
export function inActivation() {
    return isRunning;
}
/** Begins the activation. */
export function beginActivation() {
    isRunning = true;
}
