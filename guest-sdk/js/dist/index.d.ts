/**
 * Write inference actions in TypeScript and JavaScript: fetch an input, ask a model, store the result.
 *
 * An action is a module that exports one declared function:
 *
 * ```ts
 * import { keynetFunction, Storage, Tensor, Triton } from "@keynet/inference";
 *
 * export const main = keynetFunction(
 *   {
 *     name: "image-detection",
 *     description: "Finds things in a picture.",
 *     input: { type: "object", properties: { image_url: { type: "string" } }, required: ["image_url"] },
 *   },
 *   async ({ image_url }) => {
 *     const picture = await new Storage().get(image_url);
 *     const outputs = await new Triton("detector").predict({ input_0: Tensor.from(preprocess(picture), [1, 3, 640, 640]) });
 *     const { url } = await new Storage().put(postprocess(outputs.get("output_0", "FP32").data()), { contentType: "image/png" });
 *     return { url };
 *   },
 * );
 * ```
 *
 * `keynet-inference build` compiles it to a WebAssembly component, `keynet-inference push` publishes it. On Node the same functions run
 * against the in-memory host of `@keynet/inference/testing`.
 *
 * @module
 */
export type { Arrays, DataType, DataTypeOf, Elements, TypedArray, Value } from "./data-type.js";
export { DeniedError, type ErrorKind, InternalError, InvalidError, KeynetError, NotFoundError, PreconditionFailedError, TimedOutError, TooLargeError, UnavailableError, } from "./errors.js";
export { type FunctionInfo, keynetFunction, type KeynetFunction } from "./function.js";
export type { ModelMetadata, TensorInfo } from "./host.js";
export type { Json, JsonObject } from "./json.js";
export type { FromSchema, ObjectSchema, Schema, TypeName } from "./schema.js";
export { type ObjectInfo, OpenedObject, type PutOptions, Storage, type StoredObject, Upload, type WriteGrant, type WriteOptions, } from "./storage.js";
export { Tensor } from "./tensor.js";
export { type Inputs, Outputs, type PredictOptions, PredictionStream, type PredictRequest, Triton } from "./triton.js";
export { UserInput } from "./user-input.js";
