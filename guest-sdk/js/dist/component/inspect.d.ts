/** Values as `console` writes them. */
/** Returns the arguments of a call of `console.log` as one text, with `%s`, `%d`, `%i`, `%f`, `%j`, `%o` and `%O` filled. */
export declare function format(values: readonly unknown[]): string;
/** Returns an error with its stack in the user's sources, and with its causes. */
export declare function describeError(error: Error): string;
