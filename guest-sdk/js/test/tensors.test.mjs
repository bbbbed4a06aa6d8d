// Tensors, models and their in-memory host.

import assert from "node:assert/strict";
import { test } from "node:test";

import { InvalidError, KeynetError, NotFoundError, Tensor, TooLargeError, Triton } from "@keynet/inference";
import { Environment } from "@keynet/inference/testing";

import { fromBrain, fromHalf, toBrain, toHalf } from "../dist/half.js";

const inHost = (code) => new Environment().run(code);

test("each data type goes there and back", () =>
  inHost(() => {
    const cases = {
      BOOL: [true, false],
      UINT8: [0, 255],
      UINT16: [0, 65535],
      UINT32: [0, 2 ** 32 - 1],
      UINT64: [0n, 2n ** 64n - 1n],
      INT8: [-128, 127],
      INT16: [-32768, 32767],
      INT32: [-(2 ** 31), 2 ** 31 - 1],
      INT64: [-(2n ** 63n), 2n ** 63n - 1n],
      FP16: [-1.5, 65504],
      BF16: [1, 3.140625],
      FP32: [0.5, 16777216],
      FP64: [5e-324, Number.MAX_VALUE],
    };
    for (const [dataType, values] of Object.entries(cases)) {
      const tensor = Tensor.of(dataType, [1, 2], values);
      assert.deepEqual([tensor.dataType, tensor.shape, tensor.size, tensor.toArray()], [dataType, [1, 2], 2, values]);
    }
    const bytes = Tensor.of("BYTES", [3], ["", "안녕", new Uint8Array([0])]);
    assert.deepEqual(bytes.strings(), ["", "안녕", "\0"]);
    assert.equal(bytes.byteLength, 12 + 7);
  }));

test("a value that does not fit is named, and nothing is rounded or cut", () =>
  inHost(() => {
    const refuses = (dataType, value, text = `the element 0 is ${value}, which does not fit the data type ${dataType}`) =>
      assert.throws(() => Tensor.of(dataType, [1], [value]), (error) => error instanceof InvalidError && (error.message.includes(text) || assert.fail(error.message)));
    refuses("UINT8", 256);
    refuses("INT32", 1.5);
    refuses("INT64", 2 ** 53);
    refuses("INT64", 2n ** 63n);
    refuses("UINT64", -1n);
    refuses("FP16", 65520);
    refuses("FP32", 1e39);
    refuses("BOOL", 1);
    refuses("FP32", 1n);
    refuses("BYTES", 1);
    refuses("FLOAT", 1, '"FLOAT" is not a data type of Triton');
    assert.throws(() => Tensor.of("FP32", [3], [1]), /4 bytes do not fill the shape \[3\] of FP32, which takes 12/);
    assert.throws(() => Tensor.of("FP32", [-1], []), /the shape \[-1\] has the dimension -1/);
    assert.deepEqual(Tensor.of("FP32", [2], [Infinity, NaN]).toArray(), [Infinity, NaN]);
  }));

test("halves are rounded to the nearest, ties to even", () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const value = fromHalf(bits);
    if (!Number.isNaN(value)) assert.equal(toHalf(value), bits);
  }
  assert.deepEqual([0.1, 2049, 2051, 65519.999, 2 ** -25, 2 ** -24 * 1.5, 6.1e-5].map((value) => fromHalf(toHalf(value))), [
    0.0999755859375, 2048, 2052, 65504, 0, 2 ** -23, 0.00006103515625 * (1023 / 1024),
  ]);
  assert.deepEqual([Math.PI, 1.00390625, -0].map((value) => fromBrain(toBrain(value))), [3.140625, 1, -0]);
  assert.ok(Number.isNaN(fromHalf(toHalf(NaN))) && Number.isNaN(fromBrain(toBrain(NaN))));
});

test("typed arrays say their data type, views have their own part", () =>
  inHost(() => {
    const array = new Float32Array([0, 1, 2, 3]);
    const tensor = Tensor.from(array.subarray(1, 3));
    assert.deepEqual([tensor.dataType, tensor.shape, [...tensor.data()]], ["FP32", [2], [1, 2]]);
    array.fill(9);
    assert.deepEqual([...tensor.data()], [1, 2]);
    assert.throws(() => Tensor.from(new Uint8ClampedArray(1)), /Uint8ClampedArray.* is no array of a tensor's elements/);
    assert.deepEqual([...tensor.bytes(4, 100)], [0, 0, 0, 64]);
    assert.throws(() => tensor.bytes(-1), /the offset is -1/);
    assert.throws(() => tensor.as("INT32"), /the tensor is FP32, not INT32/);
    assert.throws(() => tensor.item(), /2 elements, not one/);
    assert.equal(Tensor.of("INT64", [], [7]).item(), 7n);
    tensor.close();
    assert.throws(() => tensor.data(), /was closed/);
    assert.equal(String(tensor), "Tensor(closed)");
  }));

const DOUBLE = ({ x }) => ({ y: Tensor.from(x.as("FP32").data().map((value) => value * 2), x.shape), n: Tensor.of("INT64", [1], [x.size]) });

test("models answer, one by one, many at once and as a stream", async () => {
  const environment = new Environment()
    .model("double", DOUBLE, { inputs: [{ name: "x", dataType: "FP32", shape: [-1] }] })
    .model("words", () => ["a", "b"].map((word) => ({ word: Tensor.of("BYTES", [1], [word]) })))
    .model("broken", () => {
      throw new TooLargeError("too much");
    });
  await environment.run(async () => {
    const x = Tensor.from(new Float32Array([1, 2]));
    const outputs = await new Triton().predict({ x });
    assert.deepEqual([outputs.names, outputs.get("y").toArray(), outputs.get("n", "INT64").item()], [["y", "n"], [2, 4], 2n]);
    assert.throws(() => outputs.get("z"), /no output `z`; it has y, n/);
    assert.throws(() => outputs.get("y", "FP64"), /the output `y` is FP32, not FP64/);
    assert.deepEqual((await new Triton("double").predict({ x }, { outputs: ["n"] })).names, ["n"]);
    await assert.rejects(new Triton("nobody").predict({ x }), NotFoundError);
    await assert.rejects(new Triton("double").predict({ x: new Float32Array(2) }), /the input `x` is a typed array: pass a tensor/);
    await assert.rejects(new Triton("double").predict({ x: Tensor.of("INT8", [1], [1]) }), /expected FP32, got INT8/);
    await assert.rejects(new Triton("words").predict({}), /answers many times/);
    await assert.rejects(new Triton("double").predict({ x }, { timeoutMs: "1s" }), /`timeoutMs` is 1s/);

    const requests = [{ inputs: { x } }, { inputs: {}, model: "broken" }];
    const settled = await new Triton("double").predictManySettled(requests);
    assert.deepEqual(settled.map((answer) => (answer instanceof KeynetError ? answer.kind : answer.get("n").item())), [2n, "too-large"]);
    await assert.rejects(new Triton("double").predictMany(requests), TooLargeError);
    await assert.rejects(new Triton("double").predictMany(Array(257).fill(requests[0])), /at most 256/);

    const words = [];
    for await (const answer of await new Triton("words").predictStream({})) words.push(...answer.get("word").strings());
    assert.deepEqual(words, ["a", "b"]);
    const stream = await new Triton("words").predictStream({});
    for await (const _ of stream) break;
    assert.deepEqual(await stream.next(), { done: true, value: undefined });

    const metadata = await new Triton("models:/double@best").metadata();
    assert.deepEqual([metadata.name, metadata.inputs[0].dataType], ["double", "FP32"]);
  });
});
