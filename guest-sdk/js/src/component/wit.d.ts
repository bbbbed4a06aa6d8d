/**
 * The interfaces of `wit/` as the two engines hand them over. They differ in what stands for an absent value (`null` in QuickJS, `undefined`
 * in SpiderMonkey) and for 64-bit integers (`number` in QuickJS, `bigint` in SpiderMonkey); both take `undefined` and `BigInt64Array`.
 */

declare module "keynet:inference/triton-predict@0.1.0" {
  import type { Option, U64, Resource, S64List, Result } from "keynet:engine";

  export class Tensor implements Resource {
    static create(dataType: string, shape: BigInt64Array, data: Uint8Array): Tensor;
    dataType(): string;
    shape(): S64List;
    byteLength(): U64;
    data(): Uint8Array;
    read(offset: U64, length: U64): Uint8Array;
  }
  export class PredictionStream implements Resource {
    next(): Option<Output[]>;
  }
  export interface Input {
    name: string;
    tensor: Tensor;
  }
  export interface Output {
    name: string;
    tensor: Tensor;
  }
  export interface Request {
    model: string;
    inputs: Input[];
    outputs: string[];
    timeoutMs: Option<number>;
    parameters: string;
  }
  export interface TensorInfo {
    name: string;
    dataType: string;
    shape: S64List;
  }
  export interface ModelMetadata {
    name: string;
    versions: string[];
    platform: string;
    inputs: TensorInfo[];
    outputs: TensorInfo[];
  }
  export function predict(request: Request): Output[];
  export function predictMany(requests: Request[]): Result<Output[]>[];
  export function predictStream(request: Request): PredictionStream;
  export function metadata(model: string): ModelMetadata;
}

declare module "keynet:inference/storage@0.1.0" {
  import type { Option, Resource, U64 } from "keynet:engine";
  import type { Tensor } from "keynet:inference/triton-predict@0.1.0";

  export interface ObjectInfo {
    location: string;
    size: U64;
    contentType: Option<string>;
    etag: Option<string>;
    modifiedMs: Option<U64>;
  }
  export interface Stored {
    location: string;
    url: string;
    etag: Option<string>;
  }
  class HostedObject implements Resource {
    size(): U64;
    contentType(): Option<string>;
    etag(): Option<string>;
    read(offset: U64, length: U64): Uint8Array;
    toTensor(dataType: string, shape: BigInt64Array): Tensor;
  }
  export { HostedObject as Object };
  export class Upload implements Resource {
    write(data: Uint8Array): void;
    finish(): Stored;
    abort(): void;
  }
  export function get(location: string, ifNoneMatch: Option<string>): Uint8Array;
  export function open(location: string): HostedObject;
  export function head(location: string): ObjectInfo;
  export function put(
    data: Uint8Array,
    location: Option<string>,
    contentType: Option<string>,
    ifMatch: Option<string>,
    ifNoneMatch: Option<string>,
  ): Stored;
  export function putTensor(tensor: Tensor, location: Option<string>, contentType: Option<string>): Stored;
  export function createUpload(location: Option<string>, contentType: Option<string>): Upload;
  export function presign(location: string, ttlSeconds: Option<number>): string;
  export function presignPut(
    location: Option<string>,
    contentType: Option<string>,
    ttlSeconds: Option<number>,
  ): { location: string; url: string };
  export function list(prefix: string, cursor: Option<string>): { objects: ObjectInfo[]; next: Option<string> };
  function remove(location: string): void;
  export { remove as delete };
}

declare module "keynet:imaging/pictures@0.1.0" {
  // The interfaces are in src/imaging.ts, which also runs where there is no library.
  export const Picture: import("../imaging.js").Library["Picture"];
  export function classColor(index: number): import("../imaging.js").LibraryColor;
}

declare module "wasi:cli/environment@0.2.10" {
  export function getEnvironment(): [string, string][];
}

declare module "wasi:cli/exit@0.2.10" {
  import type { Result } from "keynet:engine";
  export function exit(status: Result<undefined>): never;
}

declare module "wasi:cli/stdout@0.2.10" {
  import type { OutputStream } from "wasi:io/streams@0.2.10";
  export function getStdout(): OutputStream;
}

declare module "wasi:cli/stderr@0.2.10" {
  import type { OutputStream } from "wasi:io/streams@0.2.10";
  export function getStderr(): OutputStream;
}

declare module "wasi:io/streams@0.2.10" {
  export interface OutputStream {
    blockingWriteAndFlush(contents: Uint8Array): void;
  }
}

declare module "wasi:clocks/monotonic-clock@0.2.10" {
  import type { U64 } from "keynet:engine";
  export interface Pollable {
    block(): void;
  }
  export function now(): U64;
  export function subscribeDuration(when: U64): Pollable;
}

declare module "wasi:random/random@0.2.10" {
  import type { U64 } from "keynet:engine";
  export function getRandomBytes(length: U64): Uint8Array;
}

/** What the interfaces share; no engine has a module of this name. */
declare module "keynet:engine" {
  export type Option<T> = T | null | undefined;
  export type U64 = number | bigint;
  export type S64List = Iterable<number | bigint>;
  export interface Resource {}
  export type Result<T> = { tag: "ok"; val: T } | { tag: "err"; val: { kind: string; message: string } };
}
