/** Standard output and standard error: the activation's logs. */
/** Writes text to one of the streams; nothing while the component is built. */
export declare function write(to: "out" | "err", text: string): void;
