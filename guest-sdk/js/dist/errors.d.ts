/** What a failed call is about, with the names of the contract (`wit/types.wit`). */
export type ErrorKind = "invalid" | "not-found" | "denied" | "precondition-failed" | "too-large" | "timeout" | "unavailable" | "internal";
/**
 * One failed call of the host; the base of all other errors of this package.
 *
 * An action may throw them too: {@link InvalidError} blames the caller, every other error the action.
 */
export declare abstract class KeynetError extends Error {
    /** What a program matches on, where `instanceof` is not at hand. */
    abstract readonly kind: ErrorKind;
}
/** A name, location, shape, type or length is wrong; the same call will fail again. */
export declare class InvalidError extends KeynetError {
    readonly name = "InvalidError";
    readonly kind = "invalid";
}
/** The model, version, object or bucket does not exist. */
export declare class NotFoundError extends KeynetError {
    readonly name = "NotFoundError";
    readonly kind = "not-found";
}
/** The deployment's policy, or the server behind it, does not allow the call. */
export declare class DeniedError extends KeynetError {
    readonly name = "DeniedError";
    readonly kind = "denied";
}
/** The object's etag is not the expected one, or is the one already held. */
export declare class PreconditionFailedError extends KeynetError {
    readonly name = "PreconditionFailedError";
    readonly kind = "precondition-failed";
}
/** More bytes, requests or handles than the deployment allows. */
export declare class TooLargeError extends KeynetError {
    readonly name = "TooLargeError";
    readonly kind = "too-large";
}
/** No answer in the time given, or in the time the activation has left. */
export declare class TimedOutError extends KeynetError {
    readonly name = "TimedOutError";
    readonly kind = "timeout";
}
/** The server is down, busy or not configured; the same call may work later. */
export declare class UnavailableError extends KeynetError {
    readonly name = "UnavailableError";
    readonly kind = "unavailable";
}
/** A fault of the host, of a server or of the action itself. */
export declare class InternalError extends KeynetError {
    readonly name = "InternalError";
    readonly kind = "internal";
}
/** Returns the error of `kind`, an {@link InternalError} for a kind that this version does not know. */
export declare function errorOfKind(kind: string, message: string): KeynetError;
