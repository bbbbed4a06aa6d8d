/** The host in memory, for tests. */
import { type DataType } from "./data-type.js";
import { KeynetError } from "./errors.js";
import type { Host, HostObject, HostObjectInfo, HostOutputs, HostPut, HostRequest, HostStored, HostStream, HostTensor, HostUpload, ModelMetadata } from "./host.js";
import type { JsonObject } from "./json.js";
import { type Tensor } from "./tensor.js";
/** A model's outputs by name. */
type Answer = {
    readonly [name: string]: Tensor;
};
/** A model of a test: from its inputs by name to its outputs by name, or to several of them for a stream. */
export type Model = (inputs: {
    readonly [name: string]: Tensor;
}) => Answer | readonly Answer[];
/** Objects, models and parameters in memory. */
export declare class MemoryHost implements Host {
    #private;
    readonly sent: JsonObject;
    readonly models: Map<string, {
        answer: Model;
        metadata: ModelMetadata;
    }>;
    parameters(): JsonObject;
    tensor(dataType: DataType, shape: readonly number[], data: Uint8Array): HostTensor;
    predict(request: HostRequest): HostOutputs;
    predictMany(requests: HostRequest[]): (HostOutputs | KeynetError)[];
    predictStream(request: HostRequest): HostStream;
    metadata(model: string): ModelMetadata;
    store(location: string, data: Uint8Array, contentType: string | undefined, byAction?: boolean): HostStored;
    written(): {
        location: string;
        data: Uint8Array;
        contentType: string;
    }[];
    get(location: string, ifNoneMatch: string | undefined): Uint8Array;
    open(location: string): HostObject;
    head(location: string): HostObjectInfo;
    put(data: Uint8Array, { location, contentType, ifMatch, ifNoneMatch }: HostPut): HostStored;
    putTensor(tensor: HostTensor, location: string | undefined, contentType: string | undefined): HostStored;
    createUpload(location: string | undefined, contentType: string | undefined): HostUpload;
    presign(location: string, ttlSeconds: number | undefined): string;
    presignPut(location: string | undefined, _: string | undefined, ttlSeconds: number | undefined): {
        location: string;
        url: string;
    };
    list(prefix: string): {
        objects: HostObjectInfo[];
        next: string | undefined;
    };
    delete(location: string): void;
}
export {};
