/**
 * JSON text, without what JavaScript's own functions lose: whole numbers beyond 2^53 are `bigint`, and a value that JSON does not have
 * is an error that names it.
 */
/** A JSON value. A whole number that a `number` cannot hold exactly is a `bigint`. */
export type Json = null | boolean | number | bigint | string | Json[] | JsonObject;
/** A JSON object. */
export interface JsonObject {
    [name: string]: Json;
}
/**
 * Returns the value of JSON text.
 *
 * @throws {InvalidError} A number is out of the range of a double.
 */
export declare function parseJson(text: string): Json;
/**
 * Returns the JSON text of a function's result.
 *
 * Properties that are `undefined` are left out, `toJSON` is used, and a `bigint` becomes a whole number.
 *
 * @throws {InternalError} It is neither an object nor an array, or has a value that JSON does not have; the message names its place.
 */
export declare function resultToJson(result: unknown): string;
/** Returns a value as error messages show it, cut at 60 letters. */
export declare function shown(value: unknown): string;
