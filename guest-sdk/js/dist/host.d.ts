/**
 * The host's side of the contract, as the rest of the SDK calls it.
 *
 * Two modules implement {@link Host}: `component/bindings` inside a component, and `testing` on Node. Calls return when the host has
 * answered and throw `KeynetError`.
 */
import type { DataType } from "./data-type.js";
import { type KeynetError } from "./errors.js";
import type { JsonObject } from "./json.js";
/** What the host keeps for the action until it is given back. */
export interface Droppable {
    drop(): void;
}
/** A tensor in the host's memory: immutable, row-major, little-endian. */
export interface HostTensor extends Droppable {
    dataType(): DataType;
    shape(): number[];
    byteLength(): number;
    data(): Uint8Array;
    read(offset: number, length: number): Uint8Array;
}
/** One question to one model; the fields of the contract's `request`. */
export interface HostRequest {
    model: string;
    inputs: {
        name: string;
        tensor: HostTensor;
    }[];
    outputs: string[];
    timeoutMs: number | undefined;
    parameters: string;
}
/** A model's answer, in its order. */
export type HostOutputs = {
    name: string;
    tensor: HostTensor;
}[];
/** The answers of a model that may answer many times. */
export interface HostStream extends Droppable {
    /** Returns the next answer; `undefined` after the last. */
    next(): HostOutputs | undefined;
}
/** An input or output as the model declares it. */
export interface TensorInfo {
    /** Its name. */
    readonly name: string;
    /** Its element type. */
    readonly dataType: DataType;
    /** Its dimensions; -1 stands for any size. */
    readonly shape: readonly number[];
}
/** A model as its server describes it. */
export interface ModelMetadata {
    /** Its name on the server. */
    readonly name: string;
    /** The versions that can be asked now. */
    readonly versions: readonly string[];
    /** The program that runs it, such as `onnxruntime_onnx` or `ensemble`. */
    readonly platform: string;
    /** Its inputs. */
    readonly inputs: readonly TensorInfo[];
    /** Its outputs. */
    readonly outputs: readonly TensorInfo[];
}
/** The contract's `object-info`. */
export interface HostObjectInfo {
    location: string;
    size: number;
    contentType: string | undefined;
    etag: string | undefined;
    modifiedMs: number | undefined;
}
/** The contract's `stored`. */
export interface HostStored {
    location: string;
    url: string;
    etag: string | undefined;
}
/** An object opened for reading. */
export interface HostObject extends Droppable {
    size(): number;
    contentType(): string | undefined;
    etag(): string | undefined;
    read(offset: number, length: number): Uint8Array;
    toTensor(dataType: DataType, shape: readonly number[]): HostTensor;
}
/** An object being written in parts. */
export interface HostUpload extends Droppable {
    write(data: Uint8Array): void;
    finish(): HostStored;
    abort(): void;
}
/** The arguments of the contract's `put` besides the data. */
export interface HostPut {
    location: string | undefined;
    contentType: string | undefined;
    ifMatch: string | undefined;
    ifNoneMatch: string | undefined;
}
/** Every import of the world `action`. */
export interface Host {
    parameters(): JsonObject;
    tensor(dataType: DataType, shape: readonly number[], data: Uint8Array): HostTensor;
    predict(request: HostRequest): HostOutputs;
    predictMany(requests: HostRequest[]): (HostOutputs | KeynetError)[];
    predictStream(request: HostRequest): HostStream;
    metadata(model: string): ModelMetadata;
    get(location: string, ifNoneMatch: string | undefined): Uint8Array;
    open(location: string): HostObject;
    head(location: string): HostObjectInfo;
    put(data: Uint8Array, options: HostPut): HostStored;
    putTensor(tensor: HostTensor, location: string | undefined, contentType: string | undefined): HostStored;
    createUpload(location: string | undefined, contentType: string | undefined): HostUpload;
    presign(location: string, ttlSeconds: number | undefined): string;
    presignPut(location: string | undefined, contentType: string | undefined, ttlSeconds: number | undefined): {
        location: string;
        url: string;
    };
    list(prefix: string, cursor: string | undefined): {
        objects: HostObjectInfo[];
        next: string | undefined;
    };
    delete(location: string): void;
}
/** Makes `lookup` the way to find the host of the code that asks. */
export declare function setLookup(lookup: () => Host | undefined): void;
/**
 * Returns the host that this code runs on.
 *
 * @throws {UnavailableError} There is none: outside a running action and a test's environment.
 */
export declare function currentHost(): Host;
