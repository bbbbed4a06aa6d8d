import { clamped, text, whole } from "./checks.js";
import { type DataType, dataTypeOf } from "./data-type.js";
import { InvalidError, PreconditionFailedError } from "./errors.js";
import { currentHost, type HostObject, type HostObjectInfo, type HostStored, type HostUpload } from "./host.js";
import { handleOf, Tensor, tensorOf } from "./tensor.js";

/** Bytes that an upload gathers before it hands them to the host. */
const UPLOAD_BUFFER = 256 << 10;

const encoder = new TextEncoder();

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
export class Storage {
  /** Returns the whole object. Rejects with `NotFoundError`; `TooLargeError`: more than an action may read at once, see {@link open}. */
  async get(location: string): Promise<Uint8Array> {
    return currentHost().get(text("location", location), undefined);
  }

  /** Returns the object as {@link get} does, `undefined` while it still has this etag. */
  async getIfChanged(location: string, etag: string): Promise<Uint8Array | undefined> {
    try {
      return currentHost().get(text("location", location), text("etag", etag));
    } catch (error) {
      if (error instanceof PreconditionFailedError) return undefined;
      throw error;
    }
  }

  /**
   * Returns the object's bytes as a tensor, which does not pass through the action's memory.
   *
   * Rejects as {@link get}, and with `InvalidError` if the size is not that of the shape.
   */
  async getTensor<T extends DataType>(location: string, dataType: T, shape: readonly number[]): Promise<Tensor<T>> {
    using opened = await this.open(location);
    return await opened.toTensor(dataType, shape);
  }

  /** Opens an object to read parts of it. Rejects with `NotFoundError`. */
  async open(location: string): Promise<OpenedObject> {
    return new OpenedObject(currentHost().open(text("location", location)));
  }

  /** Returns what the store knows about an object. Rejects with `NotFoundError`. */
  async head(location: string): Promise<ObjectInfo> {
    return infoOf(currentHost().head(text("location", location)));
  }

  /**
   * Stores bytes, a text as UTF-8, or a tensor's data, which does not pass through the action's memory, and returns a presigned URL that
   * reads it.
   *
   * Rejects with `TooLargeError`: more than an action may write; `PreconditionFailedError`: nothing was written.
   */
  async put(data: Uint8Array | ArrayBuffer | string | Tensor, options: PutOptions = {}): Promise<StoredObject> {
    const { key, contentType, ifMatch, ifAbsent = false } = options;
    const location = optional("key", key);
    const type = optional("content type", contentType);
    if (data instanceof Tensor) {
      if (ifMatch !== undefined || ifAbsent) {
        throw new InvalidError("a tensor is stored without conditions: pass its bytes() with ifMatch or ifAbsent");
      }
      return storedOf(currentHost().putTensor(handleOf(data as Tensor), location, type));
    }
    const conditions = { ifMatch: optional("etag", ifMatch), ifNoneMatch: ifAbsent ? "*" : undefined };
    return storedOf(currentHost().put(bytesOf(data), { location, contentType: type, ...conditions }));
  }

  /** Begins to write an object in parts, for what does not fit in memory. It appears as a whole when the upload is finished. */
  async upload(options: WriteOptions = {}): Promise<Upload> {
    const { key, contentType } = options;
    return new Upload(currentHost().createUpload(optional("key", key), optional("content type", contentType)));
  }

  /** Returns a URL with which anyone can read the object for `ttlSeconds`, without it for the deployment's default. */
  async presign(location: string, ttlSeconds?: number): Promise<string> {
    return currentHost().presign(text("location", location), ttl(ttlSeconds));
  }

  /** Returns a URL with which anyone can write an object of this MIME type for `ttlSeconds`. */
  async presignPut(options: WriteOptions & { readonly ttlSeconds?: number } = {}): Promise<WriteGrant> {
    const { key, contentType, ttlSeconds } = options;
    return currentHost().presignPut(optional("key", key), optional("content type", contentType), ttl(ttlSeconds));
  }

  /** Iterates over the objects whose location starts with `prefix`, in the order of their keys. */
  async *list(prefix = ""): AsyncGenerator<ObjectInfo, void, undefined> {
    let cursor: string | undefined;
    do {
      const page = currentHost().list(text("prefix", prefix), cursor);
      yield* page.objects.map(infoOf);
      cursor = page.next;
    } while (cursor !== undefined);
  }

  /** Deletes an object; deleting one that does not exist succeeds. */
  async delete(location: string): Promise<void> {
    currentHost().delete(text("location", location));
  }
}

/**
 * An object opened for reading. Its bytes stay in the store until they are read. Every read is of the content that was there when it was
 * opened: it rejects with `PreconditionFailedError` once the object was replaced, with `NotFoundError` once it was deleted.
 */
export class OpenedObject implements Disposable {
  #handle: HostObject | undefined;

  /** Its size in bytes. */
  readonly size: number;
  /** Its MIME type, where the store knows it. */
  readonly contentType: string | undefined;
  /** The store's tag for its content, where it has one. */
  readonly etag: string | undefined;

  /** Takes over the host's object; `Storage.open` calls it. */
  constructor(handle: HostObject) {
    this.#handle = handle;
    this.size = handle.size();
    this.contentType = handle.contentType();
    this.etag = handle.etag();
  }

  /** Returns `length` bytes from byte `offset` on; fewer, or none, where the object ends. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    return this.#opened().read(whole("offset", offset), whole("length", length));
  }

  /** Iterates over its bytes from first to last, `size` bytes at a time. */
  async *parts(size = 1 << 20): AsyncGenerator<Uint8Array, void, undefined> {
    for (let offset = 0; offset < this.size; offset += size) yield await this.read(offset, size);
  }

  /**
   * Returns the whole object as a tensor, which does not pass through the action's memory.
   *
   * Rejects with `InvalidError` if its size is not that of the shape, with `TooLargeError` over the memory limit.
   */
  async toTensor<T extends DataType>(dataType: T, shape: readonly number[]): Promise<Tensor<T>> {
    shape.forEach((size) => whole("dimension", size));
    return tensorOf(this.#opened().toTensor(dataTypeOf(dataType), shape)).as(dataType);
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

  #opened(): HostObject {
    if (this.#handle === undefined) throw new InvalidError("the object was closed");
    return this.#handle;
  }
}

/** An object being written in parts. No one sees it before {@link finish}; without it the object is thrown away. */
export class Upload implements Disposable {
  #handle: HostUpload | undefined;
  #gathered: Uint8Array[] = [];
  #length = 0;

  /** Takes over the host's upload; `Storage.upload` calls it. */
  constructor(handle: HostUpload) {
    this.#handle = handle;
  }

  /** Appends bytes, or a text as UTF-8. Rejects with `TooLargeError`: more than an action may write. */
  async write(data: Uint8Array | ArrayBuffer | string): Promise<void> {
    this.#opened();
    const bytes = bytesOf(data);
    // Small parts are copied: their writer may use the array again.
    this.#gathered.push(bytes.length < UPLOAD_BUFFER ? bytes.slice() : bytes);
    this.#length += bytes.length;
    if (this.#length >= UPLOAD_BUFFER) this.#send();
  }

  /** Makes the object visible as a whole, replacing what is there, and returns a presigned URL that reads it. */
  async finish(): Promise<StoredObject> {
    const handle = this.#opened();
    if (this.#length > 0) this.#send();
    const stored = storedOf(handle.finish());
    this.#end();
    return stored;
  }

  /** Throws away what was written; after {@link finish} it changes nothing. */
  async abort(): Promise<void> {
    this.#handle?.abort();
    this.#end();
  }

  /** Throws away what was written and not finished, at the end of a block with `using`. */
  [Symbol.dispose](): void {
    this.#end();
  }

  #send(): void {
    const bytes = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#gathered) {
      bytes.set(part, at);
      at += part.length;
    }
    this.#gathered = [];
    this.#length = 0;
    this.#opened().write(bytes);
  }

  #opened(): HostUpload {
    if (this.#handle === undefined) throw new InvalidError("the upload was finished or aborted before");
    return this.#handle;
  }

  #end(): void {
    const handle = this.#handle;
    this.#handle = undefined;
    this.#gathered = [];
    handle?.drop();
  }
}

function optional(what: string, value: string | undefined): string | undefined {
  return value === undefined ? undefined : text(what, value);
}

function ttl(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : clamped("ttlSeconds", seconds);
}

function bytesOf(data: unknown): Uint8Array {
  if (typeof data === "string") return encoder.encode(data);
  if (data instanceof Uint8Array) return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  throw new InvalidError(`a ${typeof data} is not stored: pass bytes, text or a Tensor; an object as JSON.stringify(object)`);
}

function storedOf({ location, url, etag }: HostStored): StoredObject {
  return { location, url, etag };
}

function infoOf({ location, size, contentType, etag, modifiedMs }: HostObjectInfo): ObjectInfo {
  return { location, size, contentType, etag, modified: modifiedMs === undefined ? undefined : new Date(modifiedMs) };
}
