/** Checks of arguments that an engine would read as others, or end the action for. */
/** Checks a text, which an engine would end the action for where it is none. */
export declare function text(what: string, value: unknown): string;
/** Returns a time that every engine hands over as it is. */
export declare function clamped(what: string, value: number): number;
/** Checks a number of bytes, which the host would read as another where it is not whole. */
export declare function whole(what: string, value: number): number;
