var __addDisposableResource = (this && this.__addDisposableResource) || function (env, value, async) {
    if (value !== null && value !== void 0) {
        if (typeof value !== "object" && typeof value !== "function") throw new TypeError("Object expected.");
        var dispose, inner;
        if (async) {
            if (!Symbol.asyncDispose) throw new TypeError("Symbol.asyncDispose is not defined.");
            dispose = value[Symbol.asyncDispose];
        }
        if (dispose === void 0) {
            if (!Symbol.dispose) throw new TypeError("Symbol.dispose is not defined.");
            dispose = value[Symbol.dispose];
            if (async) inner = dispose;
        }
        if (typeof dispose !== "function") throw new TypeError("Object not disposable.");
        if (inner) dispose = function() { try { inner.call(this); } catch (e) { return Promise.reject(e); } };
        env.stack.push({ value: value, dispose: dispose, async: async });
    }
    else if (async) {
        env.stack.push({ async: true });
    }
    return value;
};
var __disposeResources = (this && this.__disposeResources) || (function (SuppressedError) {
    return function (env) {
        function fail(e) {
            env.error = env.hasError ? new SuppressedError(e, env.error, "An error was suppressed during disposal.") : e;
            env.hasError = true;
        }
        var r, s = 0;
        function next() {
            while (r = env.stack.pop()) {
                try {
                    if (!r.async && s === 1) return s = 0, env.stack.push(r), Promise.resolve().then(next);
                    if (r.dispose) {
                        var result = r.dispose.call(r.value);
                        if (r.async) return s |= 2, Promise.resolve(result).then(next, function(e) { fail(e); return next(); });
                    }
                    else s |= 1;
                }
                catch (e) {
                    fail(e);
                }
            }
            if (s === 1) return env.hasError ? Promise.reject(env.error) : Promise.resolve();
            if (env.hasError) throw env.error;
        }
        return next();
    };
})(typeof SuppressedError === "function" ? SuppressedError : function (error, suppressed, message) {
    var e = new Error(message);
    return e.name = "SuppressedError", e.error = error, e.suppressed = suppressed, e;
});
import { clamped, text, whole } from "./checks.js";
import { dataTypeOf } from "./data-type.js";
import { InvalidError, PreconditionFailedError } from "./errors.js";
import { currentHost } from "./host.js";
import { handleOf, Tensor, tensorOf } from "./tensor.js";
/** Bytes that an upload gathers before it hands them to the host. */
const UPLOAD_BUFFER = 256 << 10;
const encoder = new TextEncoder();
/**
 * A client of the deployment's object store.
 *
 * A location is a key of the default bucket (`20260131/cat.png`), `s3://bucket/key` or, only to read, an http(s) URL such as a presigned
 * one. Every call may reject with `InvalidError` (the location), `DeniedError`, `TimedOutError` or `UnavailableError`; other errors are named.
 */
export class Storage {
    /** Returns the whole object. Rejects with `NotFoundError`; `TooLargeError`: more than an action may read at once, see {@link open}. */
    async get(location) {
        return currentHost().get(text("location", location), undefined);
    }
    /** Returns the object as {@link get} does, `undefined` while it still has this etag. */
    async getIfChanged(location, etag) {
        try {
            return currentHost().get(text("location", location), text("etag", etag));
        }
        catch (error) {
            if (error instanceof PreconditionFailedError)
                return undefined;
            throw error;
        }
    }
    /**
     * Returns the object's bytes as a tensor, which does not pass through the action's memory.
     *
     * Rejects as {@link get}, and with `InvalidError` if the size is not that of the shape.
     */
    async getTensor(location, dataType, shape) {
        const env_1 = { stack: [], error: void 0, hasError: false };
        try {
            const opened = __addDisposableResource(env_1, await this.open(location), false);
            return await opened.toTensor(dataType, shape);
        }
        catch (e_1) {
            env_1.error = e_1;
            env_1.hasError = true;
        }
        finally {
            __disposeResources(env_1);
        }
    }
    /** Opens an object to read parts of it. Rejects with `NotFoundError`. */
    async open(location) {
        return new OpenedObject(currentHost().open(text("location", location)));
    }
    /** Returns what the store knows about an object. Rejects with `NotFoundError`. */
    async head(location) {
        return infoOf(currentHost().head(text("location", location)));
    }
    /**
     * Stores bytes, a text as UTF-8, or a tensor's data, which does not pass through the action's memory, and returns a presigned URL that
     * reads it.
     *
     * Rejects with `TooLargeError`: more than an action may write; `PreconditionFailedError`: nothing was written.
     */
    async put(data, options = {}) {
        const { key, contentType, ifMatch, ifAbsent = false } = options;
        const location = optional("key", key);
        const type = optional("content type", contentType);
        if (data instanceof Tensor) {
            if (ifMatch !== undefined || ifAbsent) {
                throw new InvalidError("a tensor is stored without conditions: pass its bytes() with ifMatch or ifAbsent");
            }
            return storedOf(currentHost().putTensor(handleOf(data), location, type));
        }
        const conditions = { ifMatch: optional("etag", ifMatch), ifNoneMatch: ifAbsent ? "*" : undefined };
        return storedOf(currentHost().put(bytesOf(data), { location, contentType: type, ...conditions }));
    }
    /** Begins to write an object in parts, for what does not fit in memory. It appears as a whole when the upload is finished. */
    async upload(options = {}) {
        const { key, contentType } = options;
        return new Upload(currentHost().createUpload(optional("key", key), optional("content type", contentType)));
    }
    /** Returns a URL with which anyone can read the object for `ttlSeconds`, without it for the deployment's default. */
    async presign(location, ttlSeconds) {
        return currentHost().presign(text("location", location), ttl(ttlSeconds));
    }
    /** Returns a URL with which anyone can write an object of this MIME type for `ttlSeconds`. */
    async presignPut(options = {}) {
        const { key, contentType, ttlSeconds } = options;
        return currentHost().presignPut(optional("key", key), optional("content type", contentType), ttl(ttlSeconds));
    }
    /** Iterates over the objects whose location starts with `prefix`, in the order of their keys. */
    async *list(prefix = "") {
        let cursor;
        do {
            const page = currentHost().list(text("prefix", prefix), cursor);
            yield* page.objects.map(infoOf);
            cursor = page.next;
        } while (cursor !== undefined);
    }
    /** Deletes an object; deleting one that does not exist succeeds. */
    async delete(location) {
        currentHost().delete(text("location", location));
    }
}
/**
 * An object opened for reading. Its bytes stay in the store until they are read. Every read is of the content that was there when it was
 * opened: it rejects with `PreconditionFailedError` once the object was replaced, with `NotFoundError` once it was deleted.
 */
export class OpenedObject {
    #handle;
    /** Its size in bytes. */
    size;
    /** Its MIME type, where the store knows it. */
    contentType;
    /** The store's tag for its content, where it has one. */
    etag;
    /** Takes over the host's object; `Storage.open` calls it. */
    constructor(handle) {
        this.#handle = handle;
        this.size = handle.size();
        this.contentType = handle.contentType();
        this.etag = handle.etag();
    }
    /** Returns `length` bytes from byte `offset` on; fewer, or none, where the object ends. */
    async read(offset, length) {
        return this.#opened().read(whole("offset", offset), whole("length", length));
    }
    /** Iterates over its bytes from first to last, `size` bytes at a time. */
    async *parts(size = 1 << 20) {
        for (let offset = 0; offset < this.size; offset += size)
            yield await this.read(offset, size);
    }
    /**
     * Returns the whole object as a tensor, which does not pass through the action's memory.
     *
     * Rejects with `InvalidError` if its size is not that of the shape, with `TooLargeError` over the memory limit.
     */
    async toTensor(dataType, shape) {
        shape.forEach((size) => whole("dimension", size));
        return tensorOf(this.#opened().toTensor(dataTypeOf(dataType), shape)).as(dataType);
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
    #opened() {
        if (this.#handle === undefined)
            throw new InvalidError("the object was closed");
        return this.#handle;
    }
}
/** An object being written in parts. No one sees it before {@link finish}; without it the object is thrown away. */
export class Upload {
    #handle;
    #gathered = [];
    #length = 0;
    /** Takes over the host's upload; `Storage.upload` calls it. */
    constructor(handle) {
        this.#handle = handle;
    }
    /** Appends bytes, or a text as UTF-8. Rejects with `TooLargeError`: more than an action may write. */
    async write(data) {
        this.#opened();
        const bytes = bytesOf(data);
        // Small parts are copied: their writer may use the array again.
        this.#gathered.push(bytes.length < UPLOAD_BUFFER ? bytes.slice() : bytes);
        this.#length += bytes.length;
        if (this.#length >= UPLOAD_BUFFER)
            this.#send();
    }
    /** Makes the object visible as a whole, replacing what is there, and returns a presigned URL that reads it. */
    async finish() {
        const handle = this.#opened();
        if (this.#length > 0)
            this.#send();
        const stored = storedOf(handle.finish());
        this.#end();
        return stored;
    }
    /** Throws away what was written; after {@link finish} it changes nothing. */
    async abort() {
        this.#handle?.abort();
        this.#end();
    }
    /** Throws away what was written and not finished, at the end of a block with `using`. */
    [Symbol.dispose]() {
        this.#end();
    }
    #send() {
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
    #opened() {
        if (this.#handle === undefined)
            throw new InvalidError("the upload was finished or aborted before");
        return this.#handle;
    }
    #end() {
        const handle = this.#handle;
        this.#handle = undefined;
        this.#gathered = [];
        handle?.drop();
    }
}
function optional(what, value) {
    return value === undefined ? undefined : text(what, value);
}
function ttl(seconds) {
    return seconds === undefined ? undefined : clamped("ttlSeconds", seconds);
}
function bytesOf(data) {
    if (typeof data === "string")
        return encoder.encode(data);
    if (data instanceof Uint8Array)
        return data;
    if (data instanceof ArrayBuffer)
        return new Uint8Array(data);
    if (ArrayBuffer.isView(data))
        return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    throw new InvalidError(`a ${typeof data} is not stored: pass bytes, text or a Tensor; an object as JSON.stringify(object)`);
}
function storedOf({ location, url, etag }) {
    return { location, url, etag };
}
function infoOf({ location, size, contentType, etag, modifiedMs }) {
    return { location, size, contentType, etag, modified: modifiedMs === undefined ? undefined : new Date(modifiedMs) };
}
