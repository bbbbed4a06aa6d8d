/** Checks of arguments that an engine would read as others, or end the action for. */
import { InvalidError } from "./errors.js";
/** The longest time that every engine hands over as it is. */
const LONGEST = 2 ** 31 - 1;
/** Checks a text, which an engine would end the action for where it is none. */
export function text(what, value) {
    if (typeof value === "string")
        return value.toWellFormed();
    throw new InvalidError(`the ${what} is text, not ${value === null ? "null" : typeof value}: was the parameter sent?`);
}
/** Returns a time that every engine hands over as it is. */
export function clamped(what, value) {
    if (typeof value !== "number" || Number.isNaN(value))
        throw new InvalidError(`\`${what}\` is ${String(value)}, but must be a number`);
    return Math.max(0, Math.min(Math.trunc(value), LONGEST));
}
/** Checks a number of bytes, which the host would read as another where it is not whole. */
export function whole(what, value) {
    if (!Number.isSafeInteger(value) || value < 0)
        throw new InvalidError(`the ${what} is ${value}, but must be a whole number, 0 or more`);
    return value;
}
