/**
 * Randomness that is fresh in every activation. The engines' own `Math.random` continues from the state that the build left, which is the
 * same in all activations.
 */

import { getRandomBytes } from "wasi:random/random@0.2.10";

import { toU64 } from "./engine.js";

let state: Uint32Array | undefined;

/** Forgets the state of the build, so that the next number comes from a fresh seed. */
export function resetRandom(): void {
  state = undefined;
}

/** Returns random bytes of the host. */
export function randomBytes(length: number): Uint8Array {
  return length === 0 ? new Uint8Array() : getRandomBytes(toU64(length));
}

/** Returns 32 random bits: xoshiro128++ with a seed of the host. */
function next(): number {
  const s = (state ??= new Uint32Array(randomBytes(16).buffer));
  const [a = 0, b = 0, c = 0, d = 0] = s;
  const sum = (a + d) | 0;
  const result = (((sum << 7) | (sum >>> 25)) + a) >>> 0;
  const [e, f] = [c ^ a, d ^ b];
  s.set([a ^ f, b ^ e, e ^ (b << 9), (f << 11) | (f >>> 21)]);
  return result;
}

Math.random = () => (next() * 2 ** 21 + (next() >>> 11)) / 2 ** 53;
