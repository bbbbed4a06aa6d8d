/** The way of elements from values to a tensor's bytes, and back. Both are little-endian, as WebAssembly and every Node machine are. */
import { type Arrays, type DataType, type Elements, type TypedArray, type Value } from "./data-type.js";
/**
 * Returns the data type that a typed array says.
 *
 * @throws {InvalidError} It is none, or of a kind that Triton does not have.
 */
export declare function typeOfArray(array: TypedArray): DataType;
/**
 * Returns the bytes of `values`.
 *
 * @throws {InvalidError} One does not fit the data type; the message names it and its place.
 */
export declare function pack<T extends DataType>(dataType: T, values: Iterable<Value<T>>): Uint8Array;
/** Returns the elements that bytes hold, as a typed array where there is one. */
export declare function typedArrayOf<T extends DataType>(dataType: T, bytes: Uint8Array): Arrays[T];
/** Returns the elements that bytes hold, as a plain array. */
export declare function unpack<T extends DataType>(dataType: T, bytes: Uint8Array): Elements[T][];
