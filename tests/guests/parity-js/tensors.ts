// Tensors of each element type, to a model and back.

import { type DataType, InvalidError, Tensor, Triton, UserInput, type Value } from "@keynet/inference";

/** Makes a tensor of `type` and `shape` with `values`, sends it through `model`, if there is one, and returns what comes out. */
export async function through(): Promise<object> {
  const type = UserInput.require("type") as DataType;
  let tensor: Tensor = Tensor.of(type, UserInput.require("shape") as number[], UserInput.require("values") as Value<DataType>[]);
  const model = UserInput.get("model");
  if (typeof model === "string") {
    const outputs = await new Triton(model).predict({ [UserInput.get("input", "in")]: tensor });
    tensor = outputs.get(UserInput.get("output", "out"));
  }
  const values = tensor.dataType === "BYTES" ? tensor.strings() : tensor.toArray();
  if (tensor.bytes(1, 2).join() !== tensor.bytes().slice(1, 3).join()) throw new Error("a part of the bytes differs");
  const { dataType, shape, byteLength } = tensor;
  tensor.close();
  tensor.close();
  try {
    tensor.bytes();
    throw new Error("a closed tensor was read");
  } catch (error) {
    if (!(error instanceof InvalidError)) throw error;
  }
  return { type: dataType, shape, bytes: byteLength, values };
}

/** Sends a tensor of 12 MiB to a model and back. */
export async function big(): Promise<object> {
  const data = new Float32Array(1536 * 2048);
  for (let at = 0; at < data.length; at++) data[at] = at % 1000;
  const outputs = await new Triton("identity_fp32").predict({ in: Tensor.from(data, [1536, 2048]) });
  const out = outputs.get("out", "FP32");
  const values = out.data();
  return { shape: out.shape, bytes: out.byteLength, last: [...values.slice(-2)], sum: values.reduce((sum, value) => sum + value, 0) };
}
