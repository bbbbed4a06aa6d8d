/** The imports of the world `action`, as `Host`. */

import * as storage from "keynet:inference/storage@0.1.0";
import * as triton from "keynet:inference/triton-predict@0.1.0";

import type { DataType } from "../data-type.js";
import { errorOfKind, type KeynetError } from "../errors.js";
import type {
  Host,
  HostObject,
  HostObjectInfo,
  HostOutputs,
  HostRequest,
  HostStored,
  HostTensor,
  HostUpload,
  ModelMetadata,
  TensorInfo,
} from "../host.js";
import type { JsonObject } from "../json.js";
import { drop, present, toU64 } from "./engine.js";

/** Returns the host of an activation with these parameters. */
export function componentHost(parameters: JsonObject): Host {
  return { ...IMPORTS, parameters: () => parameters };
}

class ComponentTensor implements HostTensor {
  constructor(readonly resource: triton.Tensor) {}

  dataType(): DataType {
    return toDataType(this.resource.dataType());
  }

  shape(): number[] {
    return Array.from(this.resource.shape(), Number);
  }

  byteLength(): number {
    return Number(this.resource.byteLength());
  }

  data(): Uint8Array {
    return this.resource.data();
  }

  read(offset: number, length: number): Uint8Array {
    return this.resource.read(toU64(offset), toU64(length));
  }

  drop(): void {
    drop(this.resource);
  }
}

const IMPORTS: Omit<Host, "parameters"> = {
  tensor: (dataType, shape, data) => new ComponentTensor(ask(() => triton.Tensor.create(dataType.toLowerCase(), toS64(shape), data))),
  predict: (request) => toOutputs(ask(() => triton.predict(toRequest(request)))),
  predictMany: (requests) =>
    triton
      .predictMany(requests.map(toRequest))
      .map((answer): HostOutputs | KeynetError =>
        answer.tag === "ok" ? toOutputs(answer.val) : errorOfKind(answer.val.kind, answer.val.message),
      ),
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
  open: (location): HostObject => {
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
  put: (data, { location, contentType, ifMatch, ifNoneMatch }) =>
    toStored(ask(() => storage.put(data, location, contentType, ifMatch, ifNoneMatch))),
  putTensor: (tensor, location, contentType) => toStored(ask(() => storage.putTensor(toResource(tensor), location, contentType))),
  createUpload: (location, contentType): HostUpload => {
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
function ask<T>(call: () => T): T {
  try {
    return call();
  } catch (thrown) {
    const payload = (thrown as { payload?: { kind?: unknown; message?: unknown } } | undefined)?.payload;
    if (typeof payload?.kind === "string") throw errorOfKind(payload.kind, String(payload.message));
    throw thrown;
  }
}

function toRequest({ model, inputs, outputs, timeoutMs, parameters }: HostRequest): triton.Request {
  return {
    model,
    inputs: inputs.map(({ name, tensor }) => ({ name: name.toWellFormed(), tensor: toResource(tensor) })),
    outputs,
    timeoutMs,
    parameters,
  };
}

function toOutputs(outputs: triton.Output[]): HostOutputs {
  return outputs.map(({ name, tensor }) => ({ name, tensor: new ComponentTensor(tensor) }));
}

function toResource(tensor: HostTensor): triton.Tensor {
  return (tensor as ComponentTensor).resource;
}

function toS64(shape: readonly number[]): BigInt64Array {
  return BigInt64Array.from(shape, BigInt);
}

function toDataType(name: string): DataType {
  return name.toUpperCase() as DataType;
}

function toMetadata({ name, versions, platform, inputs, outputs }: triton.ModelMetadata): ModelMetadata {
  return { name, versions, platform, inputs: inputs.map(toTensorInfo), outputs: outputs.map(toTensorInfo) };
}

function toTensorInfo({ name, dataType, shape }: triton.TensorInfo): TensorInfo {
  return { name, dataType: toDataType(dataType), shape: Array.from(shape, Number) };
}

function toStored({ location, url, etag }: storage.Stored): HostStored {
  return { location, url, etag: present(etag) };
}

function toInfo({ location, size, contentType, etag, modifiedMs }: storage.ObjectInfo): HostObjectInfo {
  const modified = present(modifiedMs);
  return {
    location,
    size: Number(size),
    contentType: present(contentType),
    etag: present(etag),
    modifiedMs: modified === undefined ? undefined : Number(modified),
  };
}
