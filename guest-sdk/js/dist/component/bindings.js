/** The imports of the world `action`, as `Host`. */
import * as storage from "keynet:inference/storage@0.1.0";
import * as triton from "keynet:inference/triton-predict@0.1.0";
import { errorOfKind } from "../errors.js";
import { drop, present, toU64 } from "./engine.js";
/** Returns the host of an activation with these parameters. */
export function componentHost(parameters) {
    return { ...IMPORTS, parameters: () => parameters };
}
class ComponentTensor {
    resource;
    constructor(resource) {
        this.resource = resource;
    }
    dataType() {
        return toDataType(this.resource.dataType());
    }
    shape() {
        return Array.from(this.resource.shape(), Number);
    }
    byteLength() {
        return Number(this.resource.byteLength());
    }
    data() {
        return this.resource.data();
    }
    read(offset, length) {
        return this.resource.read(toU64(offset), toU64(length));
    }
    drop() {
        drop(this.resource);
    }
}
const IMPORTS = {
    tensor: (dataType, shape, data) => new ComponentTensor(ask(() => triton.Tensor.create(dataType.toLowerCase(), toS64(shape), data))),
    predict: (request) => toOutputs(ask(() => triton.predict(toRequest(request)))),
    predictMany: (requests) => triton
        .predictMany(requests.map(toRequest))
        .map((answer) => answer.tag === "ok" ? toOutputs(answer.val) : errorOfKind(answer.val.kind, answer.val.message)),
    predictStream: (request) => {
        const stream = ask(() => triton.predictStream(toRequest(request)));
        return {
            next: () => {
                const outputs = present(ask(() => stream.next()));
                return outputs && toOutputs(outputs);
            },
            drop: () => drop(stream),
        };
    },
    metadata: (model) => toMetadata(ask(() => triton.metadata(model))),
    get: (location, ifNoneMatch) => ask(() => storage.get(location, ifNoneMatch)),
    open: (location) => {
        const object = ask(() => storage.open(location));
        return {
            size: () => Number(object.size()),
            contentType: () => present(object.contentType()),
            etag: () => present(object.etag()),
            read: (offset, length) => ask(() => object.read(toU64(offset), toU64(length))),
            toTensor: (dataType, shape) => new ComponentTensor(ask(() => object.toTensor(dataType.toLowerCase(), toS64(shape)))),
            drop: () => drop(object),
        };
    },
    head: (location) => toInfo(ask(() => storage.head(location))),
    put: (data, { location, contentType, ifMatch, ifNoneMatch }) => toStored(ask(() => storage.put(data, location, contentType, ifMatch, ifNoneMatch))),
    putTensor: (tensor, location, contentType) => toStored(ask(() => storage.putTensor(toResource(tensor), location, contentType))),
    createUpload: (location, contentType) => {
        const upload = ask(() => storage.createUpload(location, contentType));
        return {
            write: (data) => ask(() => upload.write(data)),
            finish: () => toStored(ask(() => upload.finish())),
            abort: () => ask(() => upload.abort()),
            drop: () => drop(upload),
        };
    },
    presign: (location, ttlSeconds) => ask(() => storage.presign(location, ttlSeconds)),
    presignPut: (location, contentType, ttlSeconds) => ask(() => storage.presignPut(location, contentType, ttlSeconds)),
    list: (prefix, cursor) => {
        const page = ask(() => storage.list(prefix, cursor));
        return { objects: page.objects.map(toInfo), next: present(page.next) };
    },
    delete: (location) => ask(() => storage.delete(location)),
};
/** Calls the host; its error becomes one of the SDK's. The engines throw something with a `payload`, which need not be an `Error`. */
function ask(call) {
    try {
        return call();
    }
    catch (thrown) {
        const payload = thrown?.payload;
        if (typeof payload?.kind === "string")
            throw errorOfKind(payload.kind, String(payload.message));
        throw thrown;
    }
}
function toRequest({ model, inputs, outputs, timeoutMs, parameters }) {
    return {
        model,
        inputs: inputs.map(({ name, tensor }) => ({ name: name.toWellFormed(), tensor: toResource(tensor) })),
        outputs,
        timeoutMs,
        parameters,
    };
}
function toOutputs(outputs) {
    return outputs.map(({ name, tensor }) => ({ name, tensor: new ComponentTensor(tensor) }));
}
function toResource(tensor) {
    return tensor.resource;
}
function toS64(shape) {
    return BigInt64Array.from(shape, BigInt);
}
function toDataType(name) {
    return name.toUpperCase();
}
function toMetadata({ name, versions, platform, inputs, outputs }) {
    return { name, versions, platform, inputs: inputs.map(toTensorInfo), outputs: outputs.map(toTensorInfo) };
}
function toTensorInfo({ name, dataType, shape }) {
    return { name, dataType: toDataType(dataType), shape: Array.from(shape, Number) };
}
function toStored({ location, url, etag }) {
    return { location, url, etag: present(etag) };
}
function toInfo({ location, size, contentType, etag, modifiedMs }) {
    const modified = present(modifiedMs);
    return {
        location,
        size: Number(size),
        contentType: present(contentType),
        etag: present(etag),
        modifiedMs: modified === undefined ? undefined : Number(modified),
    };
}
