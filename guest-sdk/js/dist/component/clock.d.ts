/** `performance.now`, which begins with the activation. */
/** Returns milliseconds of a clock that only goes forward. */
export declare function monotonicMs(): number;
/** Begins to count anew. */
export declare function resetClock(): void;
