import type { SourceMap } from "./trace.js";

/** What the build appends to the bundle. */
export const SOURCE_MAP = "__keynet_source_map";

/** Returns the map from the bundle to its sources; it is read only when a trace is wanted. */
export function sourceMap(): SourceMap | undefined {
  const text = (globalThis as { readonly [SOURCE_MAP]?: string })[SOURCE_MAP];
  return text === undefined ? undefined : (JSON.parse(text) as SourceMap);
}
