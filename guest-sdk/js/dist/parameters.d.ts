/** Parameters: reading them as their schema says, with errors that a caller understands. */
import { type Json, type JsonObject } from "./json.js";
import { type Schema, type TypeName } from "./schema.js";
/** Whether the caller is a web action, whose queries and forms send numbers and booleans as text. */
export declare function isWeb(parameters: JsonObject): boolean;
/**
 * Returns `parameters` as `schema` describes them: with defaults, and with numbers and booleans that a web action sent as text.
 *
 * @throws {InvalidError} One is missing or mistaken; the message names it, what was expected and what came.
 */
export declare function readParameters(schema: Schema, parameters: Json): JsonObject;
/** Returns the number or boolean that a text stands for, if `wanted` is such; other values as they are. */
export declare function fromText(value: Json, wanted: readonly TypeName[], isInt64?: boolean): Json;
/**
 * Checks that a schema has only what is checked, while the module is loaded.
 *
 * @throws {TypeError} It has another keyword or type.
 */
export declare function checkSchema(schema: Schema, path?: string): void;
