/** Standard output and standard error: the activation's logs. */
/** Forgets the streams of the build, which the activation does not have. */
export declare function resetOutput(): void;
/** Writes text to one of the streams. */
export declare function write(to: "out" | "err", text: string): void;
