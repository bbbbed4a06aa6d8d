/** The host in memory, for tests. */

import { type DataType, elementSize } from "./data-type.js";
import { unpack } from "./elements.js";
import { InvalidError, KeynetError, NotFoundError, PreconditionFailedError, TooLargeError } from "./errors.js";
import type {
  Host,
  HostObject,
  HostObjectInfo,
  HostOutputs,
  HostPut,
  HostRequest,
  HostStored,
  HostStream,
  HostTensor,
  HostUpload,
  ModelMetadata,
} from "./host.js";
import type { JsonObject } from "./json.js";
import { handleOf, type Tensor, tensorOf } from "./tensor.js";

const URL_START = "https://storage.invalid/";
const DAY = "20260131";
const MAX_REQUESTS = 256;

/** A model's outputs by name. */
type Answer = { readonly [name: string]: Tensor };

/** A model of a test: from its inputs by name to its outputs by name, or to several of them for a stream. */
export type Model = (inputs: { readonly [name: string]: Tensor }) => Answer | readonly Answer[];

interface KeptObject {
  data: Uint8Array;
  contentType: string | undefined;
  etag: string;
  byAction: boolean;
}

/** Objects, models and parameters in memory. */
export class MemoryHost implements Host {
  readonly sent: JsonObject = {};
  readonly models = new Map<string, { answer: Model; metadata: ModelMetadata }>();
  readonly #objects = new Map<string, KeptObject>();
  #stored = 0;

  parameters(): JsonObject {
    return this.sent;
  }

  // ---- Tensors and models

  tensor(dataType: DataType, shape: readonly number[], data: Uint8Array): HostTensor {
    return new MemoryTensor(dataType, shape, data.slice());
  }

  predict(request: HostRequest): HostOutputs {
    const [answer, ...more] = this.#answers(request);
    if (answer === undefined || more.length > 0) throw new InvalidError(`the model "${request.model}" answers many times: use predictStream`);
    return answer;
  }

  predictMany(requests: HostRequest[]): (HostOutputs | KeynetError)[] {
    return requests.map((request) => {
      if (requests.length > MAX_REQUESTS) {
        return new TooLargeError(`${requests.length} requests in one predictMany: at most ${MAX_REQUESTS} may go at once`);
      }
      try {
        return this.predict(request);
      } catch (error) {
        if (error instanceof KeynetError) return error;
        throw error;
      }
    });
  }

  predictStream(request: HostRequest): HostStream {
    const answers = this.#answers(request);
    return { next: () => answers.shift(), drop: () => void answers.splice(0) };
  }

  metadata(model: string): ModelMetadata {
    return this.#model(model).metadata;
  }

  #answers({ model: name, inputs, outputs }: HostRequest): HostOutputs[] {
    const { answer, metadata } = this.#model(name);
    const declared = new Map(metadata.inputs.map((input) => [input.name, input.dataType]));
    for (const { name: input, tensor } of inputs) {
      const wanted = declared.get(input);
      if (wanted !== undefined && wanted !== tensor.dataType()) {
        throw new InvalidError(`model ${metadata.name}, input ${input}: expected ${wanted}, got ${tensor.dataType()}`);
      }
    }
    const answers = answer(Object.fromEntries(inputs.map((input) => [input.name, tensorOf(input.tensor)])));
    return (Array.isArray(answers) ? (answers as readonly Answer[]) : [answers as Answer]).map((each) => chosen(each, outputs));
  }

  #model(name: string): { answer: Model; metadata: ModelMetadata } {
    const [first] = this.models.values();
    if (name === "" && first !== undefined) return first;
    const bare = name.replace(/^models:\//, "").split(/[@/:]/)[0] ?? "";
    const found = this.models.get(bare);
    if (found === undefined) throw new NotFoundError(`there is no model "${name}" in this test: new Environment().model("${bare}", …) adds one`);
    return found;
  }

  // ---- Objects

  store(location: string, data: Uint8Array, contentType: string | undefined, byAction = true): HostStored {
    this.#stored += 1;
    const etag = `"${this.#stored}"`;
    this.#objects.set(location, { data: data.slice(), contentType, etag, byAction });
    return { location, url: this.presign(location, undefined), etag };
  }

  written(): { location: string; data: Uint8Array; contentType: string }[] {
    return [...this.#objects]
      .filter(([, object]) => object.byAction)
      .map(([location, { data, contentType }]) => ({ location, data, contentType: contentType ?? "application/octet-stream" }))
      .sort((one, other) => (one.location < other.location ? -1 : 1));
  }

  get(location: string, ifNoneMatch: string | undefined): Uint8Array {
    const { data, etag } = this.#find(location)[1];
    if (ifNoneMatch === etag) throw new PreconditionFailedError(`the object "${location}" still has the etag ${etag}`);
    return data.slice();
  }

  open(location: string): HostObject {
    const [key, opened] = this.#find(location);
    const read = (offset: number, length: number) => {
      const now = this.#objects.get(key);
      if (now === undefined) throw new NotFoundError(`the object "${key}" was deleted`);
      if (now.etag !== opened.etag) throw new PreconditionFailedError(`the object "${key}" was replaced`);
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

  head(location: string): HostObjectInfo {
    const [key, { data, contentType, etag }] = this.#find(location);
    return { location: key, size: data.length, contentType, etag, modifiedMs: 0 };
  }

  put(data: Uint8Array, { location, contentType, ifMatch, ifNoneMatch }: HostPut): HostStored {
    const key = this.#writable(location);
    const found = this.#objects.get(key);
    if ((ifNoneMatch !== undefined && found !== undefined) || (ifMatch !== undefined && found?.etag !== ifMatch)) {
      throw new PreconditionFailedError(`the object "${key}" is not the one that is expected`);
    }
    return this.store(key, data, contentType);
  }

  putTensor(tensor: HostTensor, location: string | undefined, contentType: string | undefined): HostStored {
    return this.store(this.#writable(location), tensor.data(), contentType);
  }

  createUpload(location: string | undefined, contentType: string | undefined): HostUpload {
    const key = this.#writable(location);
    let parts: Uint8Array[] | undefined = [];
    const open = () => {
      if (parts === undefined) throw new InvalidError("the upload was finished or aborted before");
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

  presign(location: string, ttlSeconds: number | undefined): string {
    if (ttlSeconds !== undefined && ttlSeconds < 1) throw new InvalidError("a presigned URL is valid for 1 second or more");
    return URL_START + location.replace(URL_START, "");
  }

  presignPut(location: string | undefined, _: string | undefined, ttlSeconds: number | undefined): { location: string; url: string } {
    const key = this.#writable(location);
    return { location: key, url: this.presign(key, ttlSeconds) };
  }

  list(prefix: string): { objects: HostObjectInfo[]; next: string | undefined } {
    const isListed = (key: string) => key.startsWith(prefix) && (key.startsWith("s3://") ? prefix !== "" : !key.includes("://"));
    const keys = [...this.#objects.keys()].filter(isListed).sort();
    return { objects: keys.map((key) => this.head(key)), next: undefined };
  }

  delete(location: string): void {
    this.#objects.delete(this.#writable(location));
  }

  #find(location: string): [string, KeptObject] {
    if (location === "") throw new InvalidError("the location is empty");
    const key = this.#objects.has(location) ? location : location.replace(URL_START, "");
    const found = this.#objects.get(key);
    if (found === undefined) {
      throw new NotFoundError(`there is no object at "${location}" in this test: new Environment().object("${location}", …) adds one`);
    }
    return [key, found];
  }

  #writable(location: string | undefined): string {
    if (location === undefined) return `${DAY}/${(this.#stored + 1).toString(16).padStart(8, "0")}-0000-4000-8000-000000000000`;
    if (/^https?:\/\//.test(location)) {
      throw new InvalidError(`"${location}" is a URL, which can only be read: write to a key or an s3:// location`);
    }
    if (location === "" || location.startsWith("/")) throw new InvalidError(`"${location}" is not a key`);
    return location;
  }
}

class MemoryTensor implements HostTensor {
  readonly #dataType: DataType;
  readonly #shape: readonly number[];
  readonly #data: Uint8Array;

  constructor(dataType: DataType, shape: readonly number[], data: Uint8Array) {
    const elements = shape.reduce((product, size) => product * size, 1);
    const size = elementSize(dataType);
    const dimensions = `[${shape.join(", ")}]`;
    if (size === undefined) {
      const found = unpack("BYTES", data).length;
      if (found !== elements) throw new InvalidError(`${found} elements do not fill the shape ${dimensions}, which has ${elements}`);
    } else if (elements * size !== data.length) {
      throw new InvalidError(`${data.length} bytes do not fill the shape ${dimensions} of ${dataType}, which takes ${elements * size}`);
    }
    this.#dataType = dataType;
    this.#shape = shape;
    this.#data = data;
  }

  dataType(): DataType {
    return this.#dataType;
  }

  shape(): number[] {
    return [...this.#shape];
  }

  byteLength(): number {
    return this.#data.length;
  }

  data(): Uint8Array {
    return this.#data.slice();
  }

  read(offset: number, length: number): Uint8Array {
    return this.#data.slice(offset, offset + length);
  }

  drop(): void {
    // Memory is given back by the garbage collector.
  }
}

function chosen(answer: Answer, wanted: readonly string[]): HostOutputs {
  const names = wanted.length > 0 ? wanted : Object.keys(answer);
  return names.map((name) => {
    const tensor = answer[name];
    if (tensor === undefined) throw new InvalidError(`the model has no output "${name}"; it has ${Object.keys(answer).join(", ")}`);
    return { name, tensor: handleOf(tensor) };
  });
}
