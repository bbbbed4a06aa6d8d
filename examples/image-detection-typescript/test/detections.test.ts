// The reading of the model's rows, on Node: `npm test`. Pictures are there in a component only.

import assert from "node:assert/strict";
import { test } from "node:test";

import { detectionsOf } from "../detections.ts";

const ROWS = Float32Array.of(
  ...[64, 64, 320, 320, 0.6, 0],
  ...[-10, 0, 640, 700, 0.91234, 4],
  ...[0, 0, 640, 640, 0.49, 1],
  ...[0, 0, 0, 0, 0, 0],
);

test("boxes are scaled, sorted and kept inside the picture", () => {
  assert.deepEqual(detectionsOf(ROWS, 0.5, 1280, 320), [
    { label: "house", score: 0.912, box: [0, 0, 1280, 320] },
    { label: "apple", score: 0.6, box: [128, 32, 640, 160] },
  ]);
});

test("unused rows are no detections at any threshold", () => {
  assert.deepEqual(detectionsOf(Float32Array.of(1, 1, 9, 9, NaN, 0, 9, 9, 9, 9, 0.9, 0), 0, 640, 640), []);
});

test("another model's answer is an error", () => {
  assert.throws(() => detectionsOf(new Float32Array(7), 0.5, 1, 1), /1 are left over/);
  assert.throws(() => detectionsOf(Float32Array.of(0, 0, 9, 9, 0.9, 80), 0.5, 1, 1), /class 80/);
});
