/** The exports of the world `action`, for the function of a user's module. */
import { type ErrorKind } from "../errors.js";
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
export declare function failureOf(thrown: unknown): Failure;
export {};
