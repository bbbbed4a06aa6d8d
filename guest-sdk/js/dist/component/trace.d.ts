/** Stack traces in the files and lines of the user's sources. */
/** One call of a stack trace. */
export interface Frame {
    readonly name: string;
    readonly line: number;
    readonly column: number;
    /** The source file; `undefined` for code of the SDK and of the bundler. */
    readonly file: string | undefined;
}
/** A source map of version 3, without the sources' contents; `null` stands for files that traces leave out. */
export interface SourceMap {
    readonly sources: readonly (string | null)[];
    readonly mappings: string;
}
/** Returns the calls of an error's stack that are in the user's own code and packages, the innermost first. */
export declare function userFrames(stack: string, map: SourceMap | undefined): Frame[];
/** Returns a call as a line of a trace. */
export declare function frameLine({ name, line, column, file }: Frame): string;
