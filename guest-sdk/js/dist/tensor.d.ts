import { type Arrays, type DataType, type DataTypeOf, type Elements, type TypedArray, type Value } from "./data-type.js";
import { type HostTensor } from "./host.js";
/**
 * An immutable array in the host's memory.
 *
 * Its elements stay there until they are asked for: an output can go to the next model or into storage without being copied into the
 * action. {@link close}, or the end of a block with `using`, gives the memory back; so does the end of the activation.
 */
export declare class Tensor<T extends DataType = DataType> implements Disposable {
    #private;
    /** The type of its elements. */
    readonly dataType: T;
    private constructor();
    /**
     * Copies a typed array, in row-major order, into a new tensor of the data type that the array says: `FP32` for `Float32Array`, `INT64` for
     * `BigInt64Array` and so on.
     *
     * @throws {InvalidError} It does not fill the shape.
     * @throws {TooLargeError} Over the memory limit.
     */
    static from<A extends TypedArray>(array: A, shape?: readonly number[]): Tensor<DataTypeOf<A>>;
    /**
     * Copies `values`, flat and in row-major order, into a new tensor. `BYTES` takes text too, as UTF-8.
     *
     * @throws {InvalidError} A value does not fit the data type, or they do not fill the shape.
     * @throws {TooLargeError} Over the memory limit.
     */
    static of<T extends DataType>(dataType: T, shape: readonly number[], values: Iterable<Value<T>>): Tensor<T>;
    /**
     * Copies bytes, which hold the elements in row-major order and little-endian, into a new tensor.
     *
     * @throws {InvalidError} They do not fill the shape.
     * @throws {TooLargeError} Over the memory limit.
     */
    static fromBytes<T extends DataType>(dataType: T, shape: readonly number[], bytes: Uint8Array): Tensor<T>;
    /** Its dimensions, outermost first; empty for a scalar. */
    get shape(): readonly number[];
    /** How many elements it has. */
    get size(): number;
    /** The size of its data in bytes. */
    get byteLength(): number;
    /**
     * Returns a copy of its bytes, all or `length` from byte `offset` on; fewer where the data ends. For large outputs of which a part is
     * needed.
     */
    bytes(offset?: number, length?: number): Uint8Array;
    /** Returns a copy of all its elements, flat and in row-major order. `BOOL` is 0 and 1, `FP16` and `BF16` are in single precision. */
    data(): Arrays[T];
    /** Returns all its elements, flat and in row-major order, as a plain array: of booleans, numbers, bigints or byte arrays. */
    toArray(): Elements[T][];
    /**
     * Returns its elements as texts.
     *
     * @throws {InvalidError} Its data type is not `BYTES`.
     */
    strings(): string[];
    /**
     * Returns its only element.
     *
     * @throws {InvalidError} It has not exactly one.
     */
    item(): Elements[T];
    /**
     * Returns this tensor as one of the data type, which its {@link data} then follows from.
     *
     * @throws {InvalidError} It has another.
     */
    as<U extends DataType>(dataType: U): Tensor<U>;
    /** Gives it back to the host now. Closing it twice changes nothing. */
    close(): void;
    /** Gives it back to the host, at the end of a block with `using`. */
    [Symbol.dispose](): void;
    /** Returns what it is, without its elements. */
    toString(): string;
}
/** Returns the host's handle of a tensor. */
export declare function handleOf(tensor: Tensor): HostTensor;
/** Returns the tensor of a host's handle. */
export declare function tensorOf(handle: HostTensor): Tensor;
