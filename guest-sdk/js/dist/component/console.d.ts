/** `console` and `process`: logs, levels and the environment. */
declare const LEVELS: readonly ["debug", "info", "warn", "error"];
type Level = (typeof LEVELS)[number];
/** Forgets the environment and the streams of the build. */
export declare function resetConsole(): void;
/** Writes a line of a level, unless the environment's `LOG_LEVEL` is above it. */
export declare function log(level: Level, text: string): void;
export {};
