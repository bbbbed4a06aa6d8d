/** What differs between the engines, in values that cross the boundary to the host. */

import type { U64 } from "keynet:engine";

/** Whether this is QuickJS; otherwise it is SpiderMonkey. */
export const isQuickJs = "__cqjs" in globalThis;

/** Returns a whole number as the engine hands over 64 bits. */
export const toU64: (value: number) => U64 = isQuickJs ? (value) => value : BigInt;

/** Returns `undefined` for an absent value of either engine. */
export function present<T>(value: T | null | undefined): T | undefined {
  return value ?? undefined;
}

/** Gives a resource back to the host. It must not be used afterwards, and not be given back twice. */
export function drop(resource: object): void {
  const symbols: readonly symbol[] = [Symbol.dispose, Symbol.for("dispose")];
  for (const symbol of symbols) {
    const dispose = (resource as { readonly [name: symbol]: unknown })[symbol];
    if (typeof dispose === "function") {
      dispose.call(resource);
      return;
    }
  }
}

let isRunning = false;

/** Whether an activation runs; otherwise the component is built, and the interfaces of WASI cannot be called in SpiderMonkey. */
export function inActivation(): boolean {
  return isRunning;
}

/** Begins the activation. */
export function beginActivation(): void {
  isRunning = true;
}
