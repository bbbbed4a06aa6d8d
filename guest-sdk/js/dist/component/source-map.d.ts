import type { SourceMap } from "./trace.js";
/** What the build appends to the bundle. */
export declare const SOURCE_MAP = "__keynet_source_map";
/** Returns the map from the bundle to its sources; it is read only when a trace is wanted. */
export declare function sourceMap(): SourceMap | undefined;
