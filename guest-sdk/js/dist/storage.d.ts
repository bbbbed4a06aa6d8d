import { type DataType } from "./data-type.js";
import { type HostObject, type HostUpload } from "./host.js";
import { Tensor } from "./tensor.js";
/** An object that was stored. */
export interface StoredObject {
    /** Its location: hand it to any method of {@link Storage}. */
    readonly location: string;
    /** A presigned URL that reads it; empty where the deployment's policy does not let the action read what it wrote. */
    readonly url: string;
    /** The store's tag for its content, where it has one. */
    readonly etag: string | undefined;
}
/** What the store knows about an object without reading it. */
export interface ObjectInfo {
    /** Its location: hand it to any method of {@link Storage}. */
    readonly location: string;
    /** Its size in bytes. */
    readonly size: number;
    /** The MIME type; `undefined` in a listing, or if the store does not know it. */
    readonly contentType: string | undefined;
    /** The store's tag for its content, where it has one. */
    readonly etag: string | undefined;
    /** The last change; `undefined` if the store does not know it. */
    readonly modified: Date | undefined;
}
/** A URL with which anyone can write one object, by HTTP PUT. */
export interface WriteGrant {
    readonly location: string;
    readonly url: string;
}
/** Where and as what an object is written. */
export interface WriteOptions {
    /** Its location; without it a new key, `YYYYMMDD/uuid`. */
    readonly key?: string;
    /** Its MIME type; `application/octet-stream` without it. */
    readonly contentType?: string;
}
/** When {@link Storage.put} writes. */
export interface PutOptions extends WriteOptions {
    /** Write only over the content that has this etag. */
    readonly ifMatch?: string;
    /** Write only where nothing is. */
    readonly ifAbsent?: boolean;
}
/**
 * A client of the deployment's object store.
 *
 * A location is a key of the default bucket (`20260131/cat.png`), `s3://bucket/key` or, only to read, an http(s) URL such as a presigned
 * one. Every call may reject with `InvalidError` (the location), `DeniedError`, `TimedOutError` or `UnavailableError`; other errors are named.
 */
export declare class Storage {
    /** Returns the whole object. Rejects with `NotFoundError`; `TooLargeError`: more than an action may read at once, see {@link open}. */
    get(location: string): Promise<Uint8Array>;
    /** Returns the object as {@link get} does, `undefined` while it still has this etag. */
    getIfChanged(location: string, etag: string): Promise<Uint8Array | undefined>;
    /**
     * Returns the object's bytes as a tensor, which does not pass through the action's memory.
     *
     * Rejects as {@link get}, and with `InvalidError` if the size is not that of the shape.
     */
    getTensor<T extends DataType>(location: string, dataType: T, shape: readonly number[]): Promise<Tensor<T>>;
    /** Opens an object to read parts of it. Rejects with `NotFoundError`. */
    open(location: string): Promise<OpenedObject>;
    /** Returns what the store knows about an object. Rejects with `NotFoundError`. */
    head(location: string): Promise<ObjectInfo>;
    /**
     * Stores bytes, a text as UTF-8, or a tensor's data, which does not pass through the action's memory, and returns a presigned URL that
     * reads it.
     *
     * Rejects with `TooLargeError`: more than an action may write; `PreconditionFailedError`: nothing was written.
     */
    put(data: Uint8Array | ArrayBuffer | string | Tensor, options?: PutOptions): Promise<StoredObject>;
    /** Begins to write an object in parts, for what does not fit in memory. It appears as a whole when the upload is finished. */
    upload(options?: WriteOptions): Promise<Upload>;
    /** Returns a URL with which anyone can read the object for `ttlSeconds`, without it for the deployment's default. */
    presign(location: string, ttlSeconds?: number): Promise<string>;
    /** Returns a URL with which anyone can write an object of this MIME type for `ttlSeconds`. */
    presignPut(options?: WriteOptions & {
        readonly ttlSeconds?: number;
    }): Promise<WriteGrant>;
    /** Iterates over the objects whose location starts with `prefix`, in the order of their keys. */
    list(prefix?: string): AsyncGenerator<ObjectInfo, void, undefined>;
    /** Deletes an object; deleting one that does not exist succeeds. */
    delete(location: string): Promise<void>;
}
/**
 * An object opened for reading. Its bytes stay in the store until they are read. Every read is of the content that was there when it was
 * opened: it rejects with `PreconditionFailedError` once the object was replaced, with `NotFoundError` once it was deleted.
 */
export declare class OpenedObject implements Disposable {
    #private;
    /** Its size in bytes. */
    readonly size: number;
    /** Its MIME type, where the store knows it. */
    readonly contentType: string | undefined;
    /** The store's tag for its content, where it has one. */
    readonly etag: string | undefined;
    /** Takes over the host's object; `Storage.open` calls it. */
    constructor(handle: HostObject);
    /** Returns `length` bytes from byte `offset` on; fewer, or none, where the object ends. */
    read(offset: number, length: number): Promise<Uint8Array>;
    /** Iterates over its bytes from first to last, `size` bytes at a time. */
    parts(size?: number): AsyncGenerator<Uint8Array, void, undefined>;
    /**
     * Returns the whole object as a tensor, which does not pass through the action's memory.
     *
     * Rejects with `InvalidError` if its size is not that of the shape, with `TooLargeError` over the memory limit.
     */
    toTensor<T extends DataType>(dataType: T, shape: readonly number[]): Promise<Tensor<T>>;
    /** Gives it back to the host now. Closing it twice changes nothing. */
    close(): void;
    /** Gives it back to the host, at the end of a block with `using`. */
    [Symbol.dispose](): void;
}
/** An object being written in parts. No one sees it before {@link finish}; without it the object is thrown away. */
export declare class Upload implements Disposable {
    #private;
    /** Takes over the host's upload; `Storage.upload` calls it. */
    constructor(handle: HostUpload);
    /** Appends bytes, or a text as UTF-8. Rejects with `TooLargeError`: more than an action may write. */
    write(data: Uint8Array | ArrayBuffer | string): Promise<void>;
    /** Makes the object visible as a whole, replacing what is there, and returns a presigned URL that reads it. */
    finish(): Promise<StoredObject>;
    /** Throws away what was written; after {@link finish} it changes nothing. */
    abort(): Promise<void>;
    /** Throws away what was written and not finished, at the end of a block with `using`. */
    [Symbol.dispose](): void;
}
