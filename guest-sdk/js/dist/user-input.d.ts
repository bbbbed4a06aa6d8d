import type { Json, JsonObject } from "./json.js";
/** The type that stands for the one of a default: `0.5` allows every number, `false` both booleans. */
type Widened<T> = T extends number ? number : T extends bigint ? bigint : T extends boolean ? boolean : T extends string ? string : T;
/**
 * The parameters of this activation as its caller sent them, readable from anywhere in the code that a function calls; never
 * configuration or credentials. An activation whose argument is an array, in a sequence, has none.
 */
export declare const UserInput: {
    /** Returns one parameter; `undefined` if it was not sent. */
    readonly get: typeof get;
    /**
     * Returns one parameter that has to be there.
     *
     * @throws {InvalidError} It was not sent.
     */
    readonly require: (name: string) => Json;
    /** Returns the names of all parameters. */
    readonly names: () => string[];
    /** Returns all parameters. */
    readonly all: () => JsonObject;
};
declare function get(name: string): Json | undefined;
/**
 * Returns one parameter, `fallback` if it was not sent. A web action's query sends text: there a number or a boolean is read from it if
 * `fallback` is one.
 *
 * @throws {InvalidError} It has another type than `fallback`, unless that is null.
 */
declare function get<T extends Json>(name: string, fallback: T): Widened<T>;
export {};
