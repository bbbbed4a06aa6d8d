/**
 * Randomness that is fresh in every activation. The engines' own `Math.random` continues from the state that the build left, which is the
 * same in all activations.
 */
import { getRandomBytes } from "wasi:random/random@0.2.10";
import { inActivation, toU64 } from "./engine.js";
let state;
let isFresh = false;
/** Returns random bytes of the host. */
export function randomBytes(length) {
    return length === 0 ? new Uint8Array() : getRandomBytes(toU64(length));
}
/** Returns a seed: while the component is built, of the clock. */
function seed() {
    isFresh = inActivation();
    return isFresh ? new Uint32Array(randomBytes(16).buffer) : Uint32Array.of(Date.now(), 0x9e3779b9, 0x243f6a88, 0xb7e15162);
}
/** Returns 32 random bits, by xoshiro128++. */
function next() {
    if (state === undefined || isFresh !== inActivation())
        state = seed();
    const [a = 0, b = 0, c = 0, d = 0] = state;
    const sum = (a + d) | 0;
    const result = (((sum << 7) | (sum >>> 25)) + a) >>> 0;
    const [e, f] = [c ^ a, d ^ b];
    state.set([a ^ f, b ^ e, e ^ (b << 9), (f << 11) | (f >>> 21)]);
    return result;
}
Math.random = () => (next() * 2 ** 21 + (next() >>> 11)) / 2 ** 53;
