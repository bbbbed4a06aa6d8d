/** What differs between the engines, in values that cross the boundary to the host. */
import type { U64 } from "keynet:engine";
/** Whether this is QuickJS; otherwise it is SpiderMonkey. */
export declare const isQuickJs: boolean;
/** Returns a whole number as the engine hands over 64 bits. */
export declare const toU64: (value: number) => U64;
/** Returns `undefined` for an absent value of either engine. */
export declare function present<T>(value: T | null | undefined): T | undefined;
/** Gives a resource back to the host. It must not be used afterwards, and not be given back twice. */
export declare function drop(resource: object): void;
/** Whether an activation runs; otherwise the component is built, and the interfaces of WASI cannot be called in SpiderMonkey. */
export declare function inActivation(): boolean;
/** Begins the activation. */
export declare function beginActivation(): void;
