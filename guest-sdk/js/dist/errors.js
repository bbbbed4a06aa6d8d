/**
 * One failed call of the host; the base of all other errors of this package.
 *
 * An action may throw them too: {@link InvalidError} blames the caller, every other error the action.
 */
export class KeynetError extends Error {
}
/** A name, location, shape, type or length is wrong; the same call will fail again. */
export class InvalidError extends KeynetError {
    name = "InvalidError";
    kind = "invalid";
}
/** The model, version, object or bucket does not exist. */
export class NotFoundError extends KeynetError {
    name = "NotFoundError";
    kind = "not-found";
}
/** The deployment's policy, or the server behind it, does not allow the call. */
export class DeniedError extends KeynetError {
    name = "DeniedError";
    kind = "denied";
}
/** The object's etag is not the expected one, or is the one already held. */
export class PreconditionFailedError extends KeynetError {
    name = "PreconditionFailedError";
    kind = "precondition-failed";
}
/** More bytes, requests or handles than the deployment allows. */
export class TooLargeError extends KeynetError {
    name = "TooLargeError";
    kind = "too-large";
}
/** No answer in the time given, or in the time the activation has left. */
export class TimedOutError extends KeynetError {
    name = "TimedOutError";
    kind = "timeout";
}
/** The server is down, busy or not configured; the same call may work later. */
export class UnavailableError extends KeynetError {
    name = "UnavailableError";
    kind = "unavailable";
}
/** A fault of the host, of a server or of the action itself. */
export class InternalError extends KeynetError {
    name = "InternalError";
    kind = "internal";
}
const CLASSES = {
    invalid: InvalidError,
    "not-found": NotFoundError,
    denied: DeniedError,
    "precondition-failed": PreconditionFailedError,
    "too-large": TooLargeError,
    timeout: TimedOutError,
    unavailable: UnavailableError,
    internal: InternalError,
};
/** Returns the error of `kind`, an {@link InternalError} for a kind that this version does not know. */
export function errorOfKind(kind, message) {
    return new (Object.hasOwn(CLASSES, kind) ? CLASSES[kind] : InternalError)(message);
}
