import { whole } from "./checks.js";
import { dataTypeOf } from "./data-type.js";
import { pack, typedArrayOf, typeOfArray, unpack } from "./elements.js";
import { InvalidError } from "./errors.js";
import { currentHost } from "./host.js";
const decoder = new TextDecoder();
const make = Symbol("make");
/**
 * An immutable array in the host's memory.
 *
 * Its elements stay there until they are asked for: an output can go to the next model or into storage without being copied into the
 * action. {@link close}, or the end of a block with `using`, gives the memory back; so does the end of the activation.
 */
export class Tensor {
    #handle;
    #shape;
    /** The type of its elements. */
    dataType;
    constructor(handle, dataType) {
        this.#handle = handle;
        this.dataType = dataType;
    }
    /** @internal Makes the tensor of a host's handle. */
    static [make](handle) {
        return new Tensor(handle, handle.dataType());
    }
    /**
     * Copies a typed array, in row-major order, into a new tensor of the data type that the array says: `FP32` for `Float32Array`, `INT64` for
     * `BigInt64Array` and so on.
     *
     * @throws {InvalidError} It does not fill the shape.
     * @throws {TooLargeError} Over the memory limit.
     */
    static from(array, shape = [array.length]) {
        const dataType = typeOfArray(array);
        return Tensor.fromBytes(dataType, shape, new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    }
    /**
     * Copies `values`, flat and in row-major order, into a new tensor. `BYTES` takes text too, as UTF-8.
     *
     * @throws {InvalidError} A value does not fit the data type, or they do not fill the shape.
     * @throws {TooLargeError} Over the memory limit.
     */
    static of(dataType, shape, values) {
        dataTypeOf(dataType);
        return Tensor.fromBytes(dataType, shape, pack(dataType, values));
    }
    /**
     * Copies bytes, which hold the elements in row-major order and little-endian, into a new tensor.
     *
     * @throws {InvalidError} They do not fill the shape.
     * @throws {TooLargeError} Over the memory limit.
     */
    static fromBytes(dataType, shape, bytes) {
        const wrong = shape.find((size) => !Number.isSafeInteger(size) || size < 0);
        if (wrong !== undefined)
            throw new InvalidError(`the shape [${shape.join(", ")}] has the dimension ${wrong}`);
        return new Tensor(currentHost().tensor(dataTypeOf(dataType), shape, bytes), dataType);
    }
    /** Its dimensions, outermost first; empty for a scalar. */
    get shape() {
        this.#shape ??= Object.freeze(handleOf(this).shape());
        return this.#shape;
    }
    /** How many elements it has. */
    get size() {
        return this.shape.reduce((product, size) => product * size, 1);
    }
    /** The size of its data in bytes. */
    get byteLength() {
        return handleOf(this).byteLength();
    }
    /**
     * Returns a copy of its bytes, all or `length` from byte `offset` on; fewer where the data ends. For large outputs of which a part is
     * needed.
     */
    bytes(offset, length) {
        const handle = handleOf(this);
        if (offset === undefined && length === undefined)
            return handle.data();
        return handle.read(whole("offset", offset ?? 0), whole("length", length ?? handle.byteLength()));
    }
    /** Returns a copy of all its elements, flat and in row-major order. `BOOL` is 0 and 1, `FP16` and `BF16` are in single precision. */
    data() {
        return typedArrayOf(this.dataType, this.bytes());
    }
    /** Returns all its elements, flat and in row-major order, as a plain array: of booleans, numbers, bigints or byte arrays. */
    toArray() {
        return unpack(this.dataType, this.bytes());
    }
    /**
     * Returns its elements as texts.
     *
     * @throws {InvalidError} Its data type is not `BYTES`.
     */
    strings() {
        const bytes = this.as("BYTES").data();
        return bytes.map((each) => decoder.decode(each));
    }
    /**
     * Returns its only element.
     *
     * @throws {InvalidError} It has not exactly one.
     */
    item() {
        const [element, ...rest] = this.size === 1 ? this.toArray() : [];
        if (element === undefined || rest.length > 0)
            throw new InvalidError(`the tensor has ${this.size} elements, not one`);
        return element;
    }
    /**
     * Returns this tensor as one of the data type, which its {@link data} then follows from.
     *
     * @throws {InvalidError} It has another.
     */
    as(dataType) {
        if (this.dataType !== dataType)
            throw new InvalidError(`the tensor is ${this.dataType}, not ${dataType}`);
        return this;
    }
    /** Gives it back to the host now. Closing it twice changes nothing. */
    close() {
        const handle = this.#handle;
        this.#handle = undefined;
        handle?.drop();
    }
    /** Gives it back to the host, at the end of a block with `using`. */
    [Symbol.dispose]() {
        this.close();
    }
    /** Returns what it is, without its elements. */
    toString() {
        return this.#handle === undefined ? "Tensor(closed)" : `Tensor(${this.dataType}, [${this.shape.join(", ")}])`;
    }
    /** @internal */
    static handle(tensor) {
        if (tensor.#handle === undefined)
            throw new InvalidError("the tensor was closed");
        return tensor.#handle;
    }
}
/** Returns the host's handle of a tensor. */
export function handleOf(tensor) {
    return Tensor.handle(tensor);
}
/** Returns the tensor of a host's handle. */
export function tensorOf(handle) {
    return Tensor[make](handle);
}
