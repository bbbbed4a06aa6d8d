/** What the elements of each data type are, one by one. */
export interface Elements {
    BOOL: boolean;
    UINT8: number;
    UINT16: number;
    UINT32: number;
    UINT64: bigint;
    INT8: number;
    INT16: number;
    INT32: number;
    INT64: bigint;
    FP16: number;
    BF16: number;
    FP32: number;
    FP64: number;
    BYTES: Uint8Array;
}
/** What all elements of a tensor of each data type are read into. `FP16` and `BF16` become single precision. */
export interface Arrays {
    BOOL: Uint8Array;
    UINT8: Uint8Array;
    UINT16: Uint16Array;
    UINT32: Uint32Array;
    UINT64: BigUint64Array;
    INT8: Int8Array;
    INT16: Int16Array;
    INT32: Int32Array;
    INT64: BigInt64Array;
    FP16: Float32Array;
    BF16: Float32Array;
    FP32: Float32Array;
    FP64: Float64Array;
    BYTES: Uint8Array[];
}
/** The element type of a tensor, with Triton's names. */
export type DataType = keyof Elements;
/** What an element of the type `T` can be made of. */
export type Value<T extends DataType> = T extends "UINT64" | "INT64" ? bigint | number : T extends "BYTES" ? Uint8Array | string : Elements[T];
/** A typed array whose type says the data type. */
export type TypedArray = Uint8Array | Uint16Array | Uint32Array | BigUint64Array | Int8Array | Int16Array | Int32Array | BigInt64Array | Float32Array | Float64Array;
/** The data type of a typed array. */
export type DataTypeOf<A extends TypedArray> = A extends Float32Array ? "FP32" : A extends Float64Array ? "FP64" : A extends BigInt64Array ? "INT64" : A extends BigUint64Array ? "UINT64" : A extends Int8Array ? "INT8" : A extends Int16Array ? "INT16" : A extends Int32Array ? "INT32" : A extends Uint16Array ? "UINT16" : A extends Uint32Array ? "UINT32" : "UINT8";
/** All data types, in the order of the contract. */
export declare const DATA_TYPES: readonly DataType[];
/** Returns the bytes of one element; `undefined` for `BYTES`, whose elements have any length. */
export declare function elementSize(dataType: DataType): number | undefined;
/**
 * Returns `name` as a data type.
 *
 * @throws {InvalidError} It is not one of Triton's names.
 */
export declare function dataTypeOf(name: string): DataType;
