/** 16-bit floating-point numbers, which typed arrays do not have everywhere. */
/** Returns the bits of the nearest half-precision number, ties to even; infinity for what is too large. */
export declare function toHalf(value: number): number;
/** Returns the number that the bits of a half-precision number stand for. */
export declare function fromHalf(half: number): number;
/** Returns the bits of the nearest `bfloat16`, ties to even: the upper half of single precision. */
export declare function toBrain(value: number): number;
/** Returns the number that the bits of a `bfloat16` stand for. */
export declare function fromBrain(brain: number): number;
