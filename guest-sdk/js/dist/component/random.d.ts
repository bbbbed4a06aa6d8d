/**
 * Randomness that is fresh in every activation. The engines' own `Math.random` continues from the state that the build left, which is the
 * same in all activations.
 */
/** Returns random bytes of the host. */
export declare function randomBytes(length: number): Uint8Array;
