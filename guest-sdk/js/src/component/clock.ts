/** `performance.now`, which begins with the activation. */

import { now } from "wasi:clocks/monotonic-clock@0.2.10";

import { inActivation } from "./engine.js";

let origin = 0;
let timeOrigin = 0;

/** Returns milliseconds of a clock that only goes forward. */
export function monotonicMs(): number {
  return inActivation() ? Number(now()) / 1e6 : Date.now();
}

/** Begins to count anew. */
export function resetClock(): void {
  origin = monotonicMs();
  timeOrigin = Date.now();
}

const performance = {
  now: () => monotonicMs() - origin,
  get timeOrigin(): number {
    return timeOrigin;
  },
};

Object.defineProperty(globalThis, "performance", { value: performance, configurable: true, writable: true });
