// What the model found: its rows become named boxes in the caller's picture.

import { InternalError } from "@keynet/inference";

/** The model sees every picture as a square with sides of this many pixels. */
export const SIDE = 640;

/** The classes of `models/detector`, in the model's order. */
export const LABELS = ["apple", "car", "clock", "fish", "house", "mug", "sailboat", "umbrella"];

/** One thing found in the picture. */
export interface Detection {
  /** What it is. */
  label: string;
  /** How sure the model is, from 0 to 1, to three decimals. */
  score: number;
  /** Left, top, right and bottom in pixels of the caller's picture, to a tenth. */
  box: [number, number, number, number];
}

/**
 * Returns the detections with a score of at least `threshold` in a picture of this size, best first.
 *
 * `rows` is the model's output: x1, y1, x2, y2 in pixels of its input, score, class. Rows that it does not use have score 0.
 */
export function detectionsOf(rows: Float32Array, threshold: number, width: number, height: number): Detection[] {
  if (rows.length % 6 !== 0) throw new InternalError(`the model's output is not rows of 6 values: ${rows.length % 6} are left over`);
  const found: Detection[] = [];
  for (let at = 0; at < rows.length; at += 6) {
    const [x1 = 0, y1 = 0, x2 = 0, y2 = 0, score = 0, index = 0] = rows.subarray(at, at + 6);
    if (!(score > 0 && score >= threshold)) continue;
    const label = LABELS[index];
    if (label === undefined) throw new InternalError(`the model has a class ${index}, but the labels end before it`);
    const [left, right] = [scaled(x1, width), scaled(x2, width)];
    const [top, bottom] = [scaled(y1, height), scaled(y2, height)];
    if (left < right && top < bottom) found.push({ label, score: rounded(score, 3), box: [left, top, right, bottom] });
  }
  return found.sort((one, other) => other.score - one.score);
}

/** Returns a place in the model's input in pixels of the picture, inside it. */
function scaled(place: number, side: number): number {
  return rounded(Math.min(Math.max((place / SIDE) * side, 0), side), 1);
}

function rounded(value: number, decimals: number): number {
  return Math.round(value * 10 ** decimals) / 10 ** decimals;
}
