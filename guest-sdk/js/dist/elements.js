/** The way of elements from values to a tensor's bytes, and back. Both are little-endian, as WebAssembly and every Node machine are. */
import { elementSize } from "./data-type.js";
import { InvalidError } from "./errors.js";
import { fromBrain, fromHalf, toBrain, toHalf } from "./half.js";
import { shown } from "./json.js";
const encoder = new TextEncoder();
/** The least and the greatest whole number of each integer type. */
const ENDS = {
    UINT8: [0, 2 ** 8 - 1],
    UINT16: [0, 2 ** 16 - 1],
    UINT32: [0, 2 ** 32 - 1],
    INT8: [-(2 ** 7), 2 ** 7 - 1],
    INT16: [-(2 ** 15), 2 ** 15 - 1],
    INT32: [-(2 ** 31), 2 ** 31 - 1],
};
/** The greatest finite number of each floating-point type, and half a step more: what is rounded to it. */
const GREATEST = { FP16: 65520, BF16: 3.3961775292304957e38, FP32: 3.4028235677973366e38, FP64: Infinity };
/** The typed array of each data type that has one. */
const CONSTRUCTORS = {
    UINT8: Uint8Array,
    UINT16: Uint16Array,
    UINT32: Uint32Array,
    UINT64: BigUint64Array,
    INT8: Int8Array,
    INT16: Int16Array,
    INT32: Int32Array,
    INT64: BigInt64Array,
    FP32: Float32Array,
    FP64: Float64Array,
};
/**
 * Returns the data type that a typed array says.
 *
 * @throws {InvalidError} It is none, or of a kind that Triton does not have.
 */
export function typeOfArray(array) {
    for (const [dataType, constructor] of Object.entries(CONSTRUCTORS)) {
        if (array instanceof constructor)
            return dataType;
    }
    throw new InvalidError(`${Object.prototype.toString.call(array)} is no array of a tensor's elements: pass a typed array such as Float32Array, or use Tensor.of`);
}
/**
 * Returns the bytes of `values`.
 *
 * @throws {InvalidError} One does not fit the data type; the message names it and its place.
 */
export function pack(dataType, values) {
    const elements = [...values];
    if (dataType === "BYTES")
        return packBytes(elements);
    const bytes = new Uint8Array(elements.length * (elementSize(dataType) ?? 1));
    switch (dataType) {
        case "BOOL":
            elements.forEach((value, at) => (bytes[at] = typeof value === "boolean" ? Number(value) : refuse(dataType, value, at)));
            break;
        case "FP16":
        case "BF16": {
            const halves = new Uint16Array(bytes.buffer);
            const convert = dataType === "FP16" ? toHalf : toBrain;
            elements.forEach((value, at) => (halves[at] = convert(numberOf(dataType, value, at))));
            break;
        }
        case "INT64":
        case "UINT64": {
            const array = new CONSTRUCTORS[dataType](bytes.buffer);
            elements.forEach((value, at) => {
                const isWhole = typeof value === "bigint" || Number.isSafeInteger(value);
                array[at] = isWhole ? BigInt(value) : refuse(dataType, value, at);
                if (array[at] !== BigInt(value))
                    refuse(dataType, value, at);
            });
            break;
        }
        default: {
            const array = new CONSTRUCTORS[dataType](bytes.buffer);
            elements.forEach((value, at) => (array[at] = numberOf(dataType, value, at)));
        }
    }
    return bytes;
}
/** Returns the elements that bytes hold, as a typed array where there is one. */
export function typedArrayOf(dataType, bytes) {
    return arrayOf(dataType, bytes);
}
/** Returns the elements that bytes hold, as a plain array. */
export function unpack(dataType, bytes) {
    const array = arrayOf(dataType, bytes);
    return (dataType === "BOOL" ? Array.from(array, (value) => value !== 0) : [...array]);
}
function arrayOf(dataType, bytes) {
    switch (dataType) {
        case "BYTES":
            return unpackBytes(bytes);
        case "BOOL":
        case "UINT8":
            return bytes;
        case "FP16":
        case "BF16":
            return Float32Array.from(new Uint16Array(aligned(bytes, 2)), dataType === "FP16" ? fromHalf : fromBrain);
        default:
            return new CONSTRUCTORS[dataType](aligned(bytes, elementSize(dataType) ?? 1));
    }
}
/** Returns the buffer of exactly these bytes; a copy unless they are all of theirs. */
function aligned(bytes, size) {
    const { buffer, byteOffset, byteLength } = bytes;
    const isAll = byteOffset === 0 && byteLength === buffer.byteLength && byteLength % size === 0;
    return isAll && buffer instanceof ArrayBuffer ? buffer : bytes.slice(0, byteLength - (byteLength % size)).buffer;
}
function packBytes(elements) {
    const parts = elements.map((value, at) => typeof value === "string" ? encoder.encode(value) : value instanceof Uint8Array ? value : refuse("BYTES", value, at));
    const bytes = new Uint8Array(parts.reduce((length, part) => length + 4 + part.length, 0));
    const view = new DataView(bytes.buffer);
    let at = 0;
    for (const part of parts) {
        view.setUint32(at, part.length, true);
        bytes.set(part, at + 4);
        at += 4 + part.length;
    }
    return bytes;
}
function unpackBytes(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const elements = [];
    for (let at = 0; at < bytes.length;) {
        const length = view.getUint32(at, true);
        elements.push(bytes.subarray(at + 4, at + 4 + length));
        at += 4 + length;
    }
    return elements;
}
function numberOf(dataType, value, at) {
    if (typeof value !== "number")
        return refuse(dataType, value, at);
    const ends = ENDS[dataType];
    if (ends !== undefined && !(Number.isInteger(value) && value >= ends[0] && value <= ends[1]))
        return refuse(dataType, value, at);
    const greatest = GREATEST[dataType];
    if (greatest !== undefined && Number.isFinite(value) && Math.abs(value) >= greatest)
        return refuse(dataType, value, at);
    return value;
}
function refuse(dataType, value, at) {
    throw new InvalidError(`the element ${at} is ${shown(value)}, which does not fit the data type ${dataType}`);
}
