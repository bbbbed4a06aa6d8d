import { type Json, type JsonObject } from "./json.js";
import type { FromSchema, ObjectSchema, Schema } from "./schema.js";
declare const DECLARATION: unique symbol;
/** What a function may return: an object or an array, and no promise of anything else. */
type Result = object & {
    readonly then?: never;
};
/** What callers are told of a function. */
export interface FunctionInfo<S extends ObjectSchema = ObjectSchema> {
    /** What callers invoke it by: 1 to 63 of a-z, 0-9 and `-`. */
    readonly name: string;
    /** One or two sentences for callers; `keynet-inference push` requires it. */
    readonly description?: string;
    /** The JSON Schema of its parameters; without it any parameters are taken as they come. */
    readonly input?: S;
}
/** A declared function, which is called like any other. */
export interface KeynetFunction<A, R> {
    (args: A): Promise<R>;
    /** What it was declared as. */
    readonly [DECLARATION]: Declaration;
}
/** What `keynetFunction` says about its function, and how it runs. */
export interface Declaration {
    readonly name: string;
    readonly description: string;
    readonly inputSchema: Schema | undefined;
    /** Runs the function with the caller's parameters, and returns its result or a promise of it. */
    readonly run: (args: Json) => unknown;
}
/**
 * Makes a function the entry point of an action.
 *
 * ```ts
 * export const main = keynetFunction(
 *   {
 *     name: "greeter",
 *     description: "Greets a person by name.",
 *     input: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
 *   },
 *   async ({ name }) => ({ greeting: `Hello, ${name}!` }),
 * );
 * ```
 *
 * The type of `args` follows from `input`, whose properties are checked before the function runs. It returns an object or an array that
 * can be written as JSON.
 *
 * @throws {TypeError} The name, the description or the schema cannot be used.
 */
export declare function keynetFunction<const S extends ObjectSchema, R extends Result>(info: FunctionInfo<S> & {
    readonly input: S;
}, handler: (args: FromSchema<S>) => R | Promise<R>): KeynetFunction<FromSchema<S>, R>;
export declare function keynetFunction<R extends Result>(info: FunctionInfo & {
    readonly input?: undefined;
}, handler: (args: JsonObject) => R | Promise<R>): KeynetFunction<JsonObject, R>;
/** Returns what a value was declared as by `keynetFunction`; `undefined` for any other value. */
export declare function declarationOf(value: unknown): Declaration | undefined;
export {};
