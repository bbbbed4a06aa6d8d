/** The host in memory, for tests. */
import { elementSize } from "./data-type.js";
import { unpack } from "./elements.js";
import { InvalidError, KeynetError, NotFoundError, PreconditionFailedError, TooLargeError } from "./errors.js";
import { handleOf, tensorOf } from "./tensor.js";
const URL_START = "https://storage.invalid/";
const DAY = "20260131";
const MAX_REQUESTS = 256;
/** Objects, models and parameters in memory. */
export class MemoryHost {
    sent = {};
    models = new Map();
    #objects = new Map();
    #stored = 0;
    parameters() {
        return this.sent;
    }
    // ---- Tensors and models
    tensor(dataType, shape, data) {
        return new MemoryTensor(dataType, shape, data.slice());
    }
    predict(request) {
        const [answer, ...more] = this.#answers(request);
        if (answer === undefined || more.length > 0)
            throw new InvalidError(`the model "${request.model}" answers many times: use predictStream`);
        return answer;
    }
    predictMany(requests) {
        return requests.map((request) => {
            if (requests.length > MAX_REQUESTS) {
                return new TooLargeError(`${requests.length} requests in one predictMany: at most ${MAX_REQUESTS} may go at once`);
            }
            try {
                return this.predict(request);
            }
            catch (error) {
                if (error instanceof KeynetError)
                    return error;
                throw error;
            }
        });
    }
    predictStream(request) {
        const answers = this.#answers(request);
        return { next: () => answers.shift(), drop: () => void answers.splice(0) };
    }
    metadata(model) {
        return this.#model(model).metadata;
    }
    #answers({ model: name, inputs, outputs }) {
        const { answer, metadata } = this.#model(name);
        const declared = new Map(metadata.inputs.map((input) => [input.name, input.dataType]));
        for (const { name: input, tensor } of inputs) {
            const wanted = declared.get(input);
            if (wanted !== undefined && wanted !== tensor.dataType()) {
                throw new InvalidError(`model ${metadata.name}, input ${input}: expected ${wanted}, got ${tensor.dataType()}`);
            }
        }
        const answers = answer(Object.fromEntries(inputs.map((input) => [input.name, tensorOf(input.tensor)])));
        return (Array.isArray(answers) ? answers : [answers]).map((each) => chosen(each, outputs));
    }
    #model(name) {
        const [first] = this.models.values();
        if (name === "" && first !== undefined)
            return first;
        const bare = name.replace(/^models:\//, "").split(/[@/:]/)[0] ?? "";
        const found = this.models.get(bare);
        if (found === undefined)
            throw new NotFoundError(`there is no model "${name}" in this test: new Environment().model("${bare}", …) adds one`);
        return found;
    }
    // ---- Objects
    store(location, data, contentType, byAction = true) {
        this.#stored += 1;
        const etag = `"${this.#stored}"`;
        this.#objects.set(location, { data: data.slice(), contentType, etag, byAction });
        return { location, url: this.presign(location, undefined), etag };
    }
    written() {
        return [...this.#objects]
            .filter(([, object]) => object.byAction)
            .map(([location, { data, contentType }]) => ({ location, data, contentType: contentType ?? "application/octet-stream" }))
            .sort((one, other) => (one.location < other.location ? -1 : 1));
    }
    get(location, ifNoneMatch) {
        const { data, etag } = this.#find(location)[1];
        if (ifNoneMatch === etag)
            throw new PreconditionFailedError(`the object "${location}" still has the etag ${etag}`);
        return data.slice();
    }
    open(location) {
        const [key, opened] = this.#find(location);
        const read = (offset, length) => {
            const now = this.#objects.get(key);
            if (now === undefined)
                throw new NotFoundError(`the object "${key}" was deleted`);
            if (now.etag !== opened.etag)
                throw new PreconditionFailedError(`the object "${key}" was replaced`);
            return opened.data.slice(offset, offset + length);
        };
        return {
            size: () => opened.data.length,
            contentType: () => opened.contentType,
            etag: () => opened.etag,
            read,
            toTensor: (dataType, shape) => new MemoryTensor(dataType, shape, read(0, opened.data.length)),
            drop: () => undefined,
        };
    }
    head(location) {
        const [key, { data, contentType, etag }] = this.#find(location);
        return { location: key, size: data.length, contentType, etag, modifiedMs: 0 };
    }
    put(data, { location, contentType, ifMatch, ifNoneMatch }) {
        const key = this.#writable(location);
        const found = this.#objects.get(key);
        if ((ifNoneMatch !== undefined && found !== undefined) || (ifMatch !== undefined && found?.etag !== ifMatch)) {
            throw new PreconditionFailedError(`the object "${key}" is not the one that is expected`);
        }
        return this.store(key, data, contentType);
    }
    putTensor(tensor, location, contentType) {
        return this.store(this.#writable(location), tensor.data(), contentType);
    }
    createUpload(location, contentType) {
        const key = this.#writable(location);
        let parts = [];
        const open = () => {
            if (parts === undefined)
                throw new InvalidError("the upload was finished or aborted before");
            return parts;
        };
        const end = () => void (parts = undefined);
        return {
            write: (data) => void open().push(data.slice()),
            finish: () => {
                const data = Buffer.concat(open());
                end();
                return this.store(key, new Uint8Array(data), contentType);
            },
            abort: end,
            drop: end,
        };
    }
    presign(location, ttlSeconds) {
        if (ttlSeconds !== undefined && ttlSeconds < 1)
            throw new InvalidError("a presigned URL is valid for 1 second or more");
        return URL_START + location.replace(URL_START, "");
    }
    presignPut(location, _, ttlSeconds) {
        const key = this.#writable(location);
        return { location: key, url: this.presign(key, ttlSeconds) };
    }
    list(prefix) {
        const isListed = (key) => key.startsWith(prefix) && (key.startsWith("s3://") ? prefix !== "" : !key.includes("://"));
        const keys = [...this.#objects.keys()].filter(isListed).sort();
        return { objects: keys.map((key) => this.head(key)), next: undefined };
    }
    delete(location) {
        this.#objects.delete(this.#writable(location));
    }
    #find(location) {
        if (location === "")
            throw new InvalidError("the location is empty");
        const key = this.#objects.has(location) ? location : location.replace(URL_START, "");
        const found = this.#objects.get(key);
        if (found === undefined) {
            throw new NotFoundError(`there is no object at "${location}" in this test: new Environment().object("${location}", …) adds one`);
        }
        return [key, found];
    }
    #writable(location) {
        if (location === undefined)
            return `${DAY}/${(this.#stored + 1).toString(16).padStart(8, "0")}-0000-4000-8000-000000000000`;
        if (/^https?:\/\//.test(location)) {
            throw new InvalidError(`"${location}" is a URL, which can only be read: write to a key or an s3:// location`);
        }
        if (location === "" || location.startsWith("/"))
            throw new InvalidError(`"${location}" is not a key`);
        return location;
    }
}
class MemoryTensor {
    #dataType;
    #shape;
    #data;
    constructor(dataType, shape, data) {
        const elements = shape.reduce((product, size) => product * size, 1);
        const size = elementSize(dataType);
        const dimensions = `[${shape.join(", ")}]`;
        if (size === undefined) {
            const found = unpack("BYTES", data).length;
            if (found !== elements)
                throw new InvalidError(`${found} elements do not fill the shape ${dimensions}, which has ${elements}`);
        }
        else if (elements * size !== data.length) {
            throw new InvalidError(`${data.length} bytes do not fill the shape ${dimensions} of ${dataType}, which takes ${elements * size}`);
        }
        this.#dataType = dataType;
        this.#shape = shape;
        this.#data = data;
    }
    dataType() {
        return this.#dataType;
    }
    shape() {
        return [...this.#shape];
    }
    byteLength() {
        return this.#data.length;
    }
    data() {
        return this.#data.slice();
    }
    read(offset, length) {
        return this.#data.slice(offset, offset + length);
    }
    drop() {
        // Memory is given back by the garbage collector.
    }
}
function chosen(answer, wanted) {
    const names = wanted.length > 0 ? wanted : Object.keys(answer);
    return names.map((name) => {
        const tensor = answer[name];
        if (tensor === undefined)
            throw new InvalidError(`the model has no output "${name}"; it has ${Object.keys(answer).join(", ")}`);
        return { name, tensor: handleOf(tensor) };
    });
}
