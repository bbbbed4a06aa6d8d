/** What the build appends to the bundle. */
export const SOURCE_MAP = "__keynet_source_map";
/** Returns the map from the bundle to its sources; it is read only when a trace is wanted. */
export function sourceMap() {
    const text = globalThis[SOURCE_MAP];
    return text === undefined ? undefined : JSON.parse(text);
}
