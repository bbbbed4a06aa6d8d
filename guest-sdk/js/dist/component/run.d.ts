/** The exports of the world `action`, for the function of a user's module. */
import { type ErrorKind } from "../errors.js";
import "./crypto.js";
/** What the contract's `describe` returns. */
interface Described {
    name: string;
    description: string;
    inputSchema: string | undefined;
}
/** An error as the engines hand it over: thrown, with the contract's error as its `payload`. */
declare class Failure {
    readonly payload: {
        kind: string;
        message: string;
    };
    constructor(kind: ErrorKind, message: string);
}
/** An error without a payload, which ends the action with a trap: the host then tells which limit it met, and how to raise it. */
declare class OutOfMemory extends Error {
    readonly stack = "";
}
/** The exported interface `function`. */
export interface Exports {
    describe(): Described;
    run(args: string): Promise<string>;
}
/** Returns the exports for the function of a module: `main`, or the only one that it exports. */
export declare function exportsOf(module: {
    readonly [name: string]: unknown;
}): Exports;
/** Returns what was thrown as the contract's error, after its trace went to the logs. */
export declare function failureOf(thrown: unknown): Failure | OutOfMemory;
export {};
