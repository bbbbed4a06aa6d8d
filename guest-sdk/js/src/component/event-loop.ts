/** Timers, and waiting for a promise, in QuickJS. */

import { subscribeDuration } from "wasi:clocks/monotonic-clock@0.2.10";

import { InternalError } from "../errors.js";
import { monotonicMs } from "./clock.js";
import { toU64 } from "./engine.js";
import { drain } from "./promise.js";

interface Timer {
  readonly id: number;
  due: number;
  readonly every: number | undefined;
  readonly call: () => void;
}

/** The longest time of a timer, as in browsers and Node: longer ones fire at once. */
const LONGEST = 2 ** 31 - 1;

const timers = new Map<number, Timer>();
let lastId = 0;

/**
 * Runs jobs and timers until the promise is settled, and returns its value or throws its reason.
 *
 * @throws {InternalError} Nothing is left that could settle it.
 */
export function finish<T>(promise: Promise<T>): T {
  let outcome: { value: T } | { reason: unknown } | undefined;
  promise.then(
    (value) => (outcome = { value }),
    (reason: unknown) => (outcome = { reason }),
  );
  const settled = () => outcome;
  for (;;) {
    drain();
    const found = settled();
    if (found !== undefined) {
      timers.clear();
      if ("value" in found) return found.value;
      throw found.reason;
    }
    const timer = [...timers.values()].reduce<Timer | undefined>((first, each) => (first === undefined || each.due < first.due ? each : first), undefined);
    if (timer === undefined) {
      throw new InternalError("the function waits for a promise that nothing will settle: no timer is left, and calls of the host have returned");
    }
    fire(timer);
  }
}

function fire(timer: Timer): void {
  const wait = timer.due - monotonicMs();
  if (wait > 0) subscribeDuration(toU64(Math.ceil(wait * 1e6))).block();
  if (timer.every === undefined) timers.delete(timer.id);
  else timer.due = monotonicMs() + timer.every;
  timer.call();
}

function start(callback: (...values: unknown[]) => void, delay: unknown, repeats: boolean, values: unknown[]): number {
  if (typeof callback !== "function") throw new TypeError("a timer takes a function");
  const given = Number(delay ?? 0);
  const ms = given >= 1 && given <= LONGEST ? given : 1;
  const timer = { id: ++lastId, due: monotonicMs() + ms, every: repeats ? ms : undefined, call: () => callback(...values) };
  timers.set(timer.id, timer);
  return timer.id;
}

const stop = (id?: number) => void timers.delete(Number(id));

Object.assign(globalThis, {
  setTimeout: (callback: () => void, delay?: number, ...values: unknown[]) => start(callback, delay, false, values),
  setInterval: (callback: () => void, delay?: number, ...values: unknown[]) => start(callback, delay, true, values),
  setImmediate: (callback: () => void, ...values: unknown[]) => start(callback, 0, false, values),
  clearTimeout: stop,
  clearInterval: stop,
  clearImmediate: stop,
});
