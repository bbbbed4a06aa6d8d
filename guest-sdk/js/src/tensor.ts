import { whole } from "./checks.js";
import { type Arrays, type DataType, type DataTypeOf, dataTypeOf, type Elements, type TypedArray, type Value } from "./data-type.js";
import { pack, typedArrayOf, typeOfArray, unpack } from "./elements.js";
import { InvalidError } from "./errors.js";
import { currentHost, type HostTensor } from "./host.js";

const decoder = new TextDecoder();
const make: unique symbol = Symbol("make");

/**
 * An immutable array in the host's memory.
 *
 * Its elements stay there until they are asked for: an output can go to the next model or into storage without being copied into the
 * action. {@link close}, or the end of a block with `using`, gives the memory back; so does the end of the activation.
 */
export class Tensor<T extends DataType = DataType> implements Disposable {
  #handle: HostTensor | undefined;
  #shape: readonly number[] | undefined;

  /** The type of its elements. */
  readonly dataType: T;

  private constructor(handle: HostTensor, dataType: T) {
    this.#handle = handle;
    this.dataType = dataType;
  }

  /** @internal Makes the tensor of a host's handle. */
  static [make](handle: HostTensor): Tensor {
    return new Tensor(handle, handle.dataType());
  }

  /**
   * Copies a typed array, in row-major order, into a new tensor of the data type that the array says: `FP32` for `Float32Array`, `INT64` for
   * `BigInt64Array` and so on.
   *
   * @throws {InvalidError} It does not fill the shape.
   * @throws {TooLargeError} Over the memory limit.
   */
  static from<A extends TypedArray>(array: A, shape: readonly number[] = [array.length]): Tensor<DataTypeOf<A>> {
    const dataType = typeOfArray(array) as DataTypeOf<A>;
    return Tensor.fromBytes(dataType, shape, new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  }

  /**
   * Copies `values`, flat and in row-major order, into a new tensor. `BYTES` takes text too, as UTF-8.
   *
   * @throws {InvalidError} A value does not fit the data type, or they do not fill the shape.
   * @throws {TooLargeError} Over the memory limit.
   */
  static of<T extends DataType>(dataType: T, shape: readonly number[], values: Iterable<Value<T>>): Tensor<T> {
    dataTypeOf(dataType);
    return Tensor.fromBytes(dataType, shape, pack(dataType, values));
  }

  /**
   * Copies bytes, which hold the elements in row-major order and little-endian, into a new tensor.
   *
   * @throws {InvalidError} They do not fill the shape.
   * @throws {TooLargeError} Over the memory limit.
   */
  static fromBytes<T extends DataType>(dataType: T, shape: readonly number[], bytes: Uint8Array): Tensor<T> {
    const wrong = shape.find((size) => !Number.isSafeInteger(size) || size < 0);
    if (wrong !== undefined) throw new InvalidError(`the shape [${shape.join(", ")}] has the dimension ${wrong}`);
    return new Tensor(currentHost().tensor(dataTypeOf(dataType), shape, bytes), dataType);
  }

  /** Its dimensions, outermost first; empty for a scalar. */
  get shape(): readonly number[] {
    this.#shape ??= Object.freeze(handleOf(this).shape());
    return this.#shape;
  }

  /** How many elements it has. */
  get size(): number {
    return this.shape.reduce((product, size) => product * size, 1);
  }

  /** The size of its data in bytes. */
  get byteLength(): number {
    return handleOf(this).byteLength();
  }

  /**
   * Returns a copy of its bytes, all or `length` from byte `offset` on; fewer where the data ends. For large outputs of which a part is
   * needed.
   */
  bytes(offset?: number, length?: number): Uint8Array {
    const handle = handleOf(this);
    if (offset === undefined && length === undefined) return handle.data();
    return handle.read(whole("offset", offset ?? 0), whole("length", length ?? handle.byteLength()));
  }

  /** Returns a copy of all its elements, flat and in row-major order. `BOOL` is 0 and 1, `FP16` and `BF16` are in single precision. */
  data(): Arrays[T] {
    return typedArrayOf(this.dataType, this.bytes());
  }

  /** Returns all its elements, flat and in row-major order, as a plain array: of booleans, numbers, bigints or byte arrays. */
  toArray(): Elements[T][] {
    return unpack(this.dataType, this.bytes());
  }

  /**
   * Returns its elements as texts.
   *
   * @throws {InvalidError} Its data type is not `BYTES`.
   */
  strings(): string[] {
    const bytes = this.as("BYTES").data();
    return bytes.map((each) => decoder.decode(each));
  }

  /**
   * Returns its only element.
   *
   * @throws {InvalidError} It has not exactly one.
   */
  item(): Elements[T] {
    const [element, ...rest] = this.size === 1 ? this.toArray() : [];
    if (element === undefined || rest.length > 0) throw new InvalidError(`the tensor has ${this.size} elements, not one`);
    return element;
  }

  /**
   * Returns this tensor as one of the data type, which its {@link data} then follows from.
   *
   * @throws {InvalidError} It has another.
   */
  as<U extends DataType>(dataType: U): Tensor<U> {
    if ((this.dataType as DataType) !== dataType) throw new InvalidError(`the tensor is ${this.dataType}, not ${dataType}`);
    return this as unknown as Tensor<U>;
  }

  /** Gives it back to the host now. Closing it twice changes nothing. */
  close(): void {
    const handle = this.#handle;
    this.#handle = undefined;
    handle?.drop();
  }

  /** Gives it back to the host, at the end of a block with `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Returns what it is, without its elements. */
  toString(): string {
    return this.#handle === undefined ? "Tensor(closed)" : `Tensor(${this.dataType}, [${this.shape.join(", ")}])`;
  }

  /** @internal */
  static handle(tensor: Tensor): HostTensor {
    if (tensor.#handle === undefined) throw new InvalidError("the tensor was closed");
    return tensor.#handle;
  }
}

/** Returns the host's handle of a tensor. */
export function handleOf(tensor: Tensor): HostTensor {
  return Tensor.handle(tensor);
}

/** Returns the tensor of a host's handle. */
export function tensorOf(handle: HostTensor): Tensor {
  return Tensor[make](handle);
}
