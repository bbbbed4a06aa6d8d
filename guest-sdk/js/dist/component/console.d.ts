/** `console` and `process`: logs, levels and the environment. */
declare const LEVELS: readonly ["debug", "info", "warn", "error"];
type Level = (typeof LEVELS)[number];
/** Writes a line of a level, unless the environment's `LOG_LEVEL` is above it. */
export declare function log(level: Level, text: string): void;
export {};
