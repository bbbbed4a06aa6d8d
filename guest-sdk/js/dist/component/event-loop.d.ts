/** Timers, and waiting for a promise, in QuickJS. */
/**
 * Runs jobs and timers until the promise is settled, and returns its value or throws its reason.
 *
 * @throws {InternalError} Nothing is left that could settle it.
 */
export declare function finish<T>(promise: Promise<T>): T;
