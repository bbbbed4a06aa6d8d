/** The hooks of `register`, which run in a thread of their own. */
import { type InitializeHook, type LoadHook, type ResolveHook } from "node:module";
/** Receives the folder of the project. */
export declare const initialize: InitializeHook<string>;
/** Finds `detect.ts` where a module imports `detect.js`, as TypeScript does. */
export declare const resolve: ResolveHook;
/** Loads TypeScript, texts and bytes as modules. */
export declare const load: LoadHook;
