/** 16-bit floating-point numbers, which typed arrays do not have everywhere. */

const single = new Float32Array(1);
const bits = new Uint32Array(single.buffer);

/** Returns the bits of the nearest half-precision number, ties to even; infinity for what is too large. */
export function toHalf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (size >= 65520) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | roundTiesToEven(size * 2 ** 24);
  let exponent = Math.floor(Math.log2(size));
  // The logarithm may be rounded to the next whole number.
  if (size < 2 ** exponent) exponent -= 1;
  else if (size >= 2 ** (exponent + 1)) exponent += 1;
  // A carry out of the fraction goes where it belongs, into the exponent.
  return sign | (((exponent + 15) << 10) + (roundTiesToEven(size * 2 ** (10 - exponent)) - 1024));
}

/** Returns the number that the bits of a half-precision number stand for. */
export function fromHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Returns the bits of the nearest `bfloat16`, ties to even: the upper half of single precision. */
export function toBrain(value: number): number {
  single[0] = value;
  const word = bits[0] ?? 0;
  if (Number.isNaN(value)) return (word >>> 16) | 0x40;
  return ((word + 0x7fff + ((word >>> 16) & 1)) >>> 16) & 0xffff;
}

/** Returns the number that the bits of a `bfloat16` stand for. */
export function fromBrain(brain: number): number {
  bits[0] = brain << 16;
  return single[0] ?? NaN;
}

function roundTiesToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}
