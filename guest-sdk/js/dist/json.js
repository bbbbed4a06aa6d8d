/**
 * JSON text, without what JavaScript's own functions lose: whole numbers beyond 2^53 are `bigint`, and a value that JSON does not have
 * is an error that names it.
 */
import { InternalError, InvalidError } from "./errors.js";
/** A whole number of 16 digits or more, or a number that may be out of a double's range: rare, and worth a closer look. */
const SUSPICIOUS = /\d{16}|[eE]\+?\d{3}/;
// Engines run a loop over one class of letters without keeping its steps: texts may have megabytes.
const STRINGS_AND_NUMBERS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const DEEPEST = 512;
/**
 * Returns the value of JSON text.
 *
 * @throws {InvalidError} A number is out of the range of a double.
 */
export function parseJson(text) {
    if (!SUSPICIOUS.test(text))
        return JSON.parse(text);
    const mark = unusedMark(text);
    const marked = text.replace(STRINGS_AND_NUMBERS, (token) => {
        if (token.startsWith('"'))
            return token;
        if (/^-?\d+$/.test(token))
            return Number.isSafeInteger(Number(token)) ? token : `"${mark}${token}"`;
        if (!Number.isFinite(Number(token))) {
            throw new InvalidError("the parameters: a number is out of the range of a double, about 1.8e308");
        }
        return token;
    });
    return JSON.parse(marked, (_, value) => typeof value === "string" && value.startsWith(mark) ? BigInt(value.slice(mark.length)) : value);
}
/**
 * Returns the JSON text of a function's result.
 *
 * Properties that are `undefined` are left out, `toJSON` is used, and a `bigint` becomes a whole number.
 *
 * @throws {InternalError} It is neither an object nor an array, or has a value that JSON does not have; the message names its place.
 */
export function resultToJson(result) {
    if (typeof result !== "object" || result === null || result instanceof Promise) {
        throw new InternalError(`the function returned ${shown(result)}, but a result must be an object or an array: return { result: … }`);
    }
    const found = { big: false };
    check(result, "result", 0, found);
    if (!found.big)
        return JSON.stringify(result);
    const withBigInts = (write) => JSON.stringify(result, (_, value) => (typeof value === "bigint" ? write(value) : value));
    const mark = unusedMark(withBigInts(String));
    return withBigInts((value) => `${mark}${value}`).replaceAll(new RegExp(`"${mark}(-?\\d+)"`, "g"), "$1");
}
/** Returns letters that are not in `text`. */
function unusedMark(text) {
    let mark = "bigint:";
    while (text.includes(mark))
        mark = `x${mark}`;
    return mark;
}
function check(value, path, depth, found) {
    switch (typeof value) {
        case "string":
        case "boolean":
            return;
        case "number":
            if (!Number.isFinite(value))
                throw unwritable(path, `JSON has no ${value}`);
            return;
        case "bigint":
            found.big = true;
            return;
        case "object":
            if (value !== null)
                checkObject(value, path, depth, found);
            return;
        default:
            throw unwritable(path, `a ${typeof value} is not JSON`);
    }
}
function checkObject(value, path, depth, found) {
    if (depth > DEEPEST)
        throw unwritable(path, "it is nested too deeply, or contains itself");
    if (Array.isArray(value)) {
        value.forEach((each, at) => {
            if (typeof each !== "number" || !Number.isFinite(each))
                check(each, `${path}[${at}]`, depth + 1, found);
        });
        return;
    }
    if ("toJSON" in value && typeof value.toJSON === "function") {
        check(value.toJSON(), path, depth + 1, found);
        return;
    }
    const advice = adviceOn(value);
    if (advice !== undefined)
        throw unwritable(path, advice);
    for (const [name, each] of Object.entries(value)) {
        if (each !== undefined)
            check(each, `${path}.${name}`, depth + 1, found);
    }
}
/** Returns what to do about objects that `JSON.stringify` would write as `{}` or worse; `undefined` for others. */
function adviceOn(value) {
    if (value instanceof Map)
        return "a Map is not JSON: use Object.fromEntries(map), or an array of its entries";
    if (value instanceof Set)
        return "a Set is not JSON: use [...set]";
    if (value instanceof Promise)
        return "a Promise is not JSON: await it";
    if (value instanceof Error)
        return "an Error is not JSON: return its message, or throw it";
    if (ArrayBuffer.isView(value))
        return "a typed array is not JSON: use Array.from(array), or store its bytes and return their URL";
    if (value instanceof ArrayBuffer)
        return "bytes are not JSON: store them and return their URL";
    if ("dataType" in value && "byteLength" in value)
        return "a tensor is not JSON: use tensor.toArray(), or store it and return its URL";
    return undefined;
}
function unwritable(path, why) {
    return new InternalError(`the function's result cannot be written as JSON: \`${path}\`: ${why}`);
}
/** Returns a value as error messages show it, cut at 60 letters. */
export function shown(value) {
    const text = typeof value === "string" ? JSON.stringify(value) : typeof value === "symbol" ? "a symbol" : String(value);
    return text.length <= 60 ? text : `${text.slice(0, 60)}…`;
}
