import type { DataType } from "./data-type.js";
import { KeynetError } from "./errors.js";
import { type HostOutputs, type HostStream, type ModelMetadata } from "./host.js";
import { Tensor } from "./tensor.js";
/** A model's inputs by name. */
export type Inputs = {
    readonly [name: string]: Tensor;
};
/** How a model is asked. */
export interface PredictOptions {
    /** The model: `name`, `name:version`, `models:/name/3` or `models:/name@alias`. */
    readonly model?: string;
    /** The names of the outputs to return, in this order; all without it. */
    readonly outputs?: readonly string[];
    /** The longest wait in milliseconds; without it the time that the activation has left. */
    readonly timeoutMs?: number;
    /** Triton's request parameters, such as `{ priority: 1 }`. */
    readonly parameters?: {
        readonly [name: string]: string | number | boolean;
    };
}
/** One of many requests that are sent at once. */
export interface PredictRequest extends PredictOptions {
    /** The model's inputs by name. */
    readonly inputs: Inputs;
}
/** A client of the models that Triton serves, or that the host runs in process where no Triton is configured. */
export declare class Triton {
    #private;
    /** The model that is asked unless a call names another; empty for the deployment's `MODEL_NAME`. */
    readonly model: string;
    /** Makes a client that asks `model`, or the deployment's `MODEL_NAME`, unless a call names another. */
    constructor(model?: string);
    /**
     * Asks a model and waits for its outputs. The tensors are lent and stay usable.
     *
     * Rejects with {@link InvalidError}: an input does not suit the model; `NotFoundError`, `DeniedError`: the model; `TimedOutError`,
     * `UnavailableError`: the server; `TooLargeError`: the request or its answer.
     */
    predict(inputs: Inputs, options?: PredictOptions): Promise<Outputs>;
    /**
     * Sends all requests at once, so that the server can batch them, and returns the answers in their order. At most 256 may go at once.
     *
     * Rejects as {@link predict} with the first error.
     */
    predictMany(requests: readonly PredictRequest[]): Promise<Outputs[]>;
    /** Does as {@link predictMany}; an error stands in the place of its answer. */
    predictManySettled(requests: readonly PredictRequest[]): Promise<(Outputs | KeynetError)[]>;
    /**
     * Asks a model that answers many times, such as one that generates text; iterate over its answers with `for await`.
     *
     * Rejects as {@link predict}.
     */
    predictStream(inputs: Inputs, options?: PredictOptions): Promise<PredictionStream>;
    /** Returns a model as its server describes it. Rejects as {@link predict}. */
    metadata(model?: string): Promise<ModelMetadata>;
}
/** A model's outputs by name, in its order or in the one asked for. */
export declare class Outputs implements Iterable<[string, Tensor]>, Disposable {
    #private;
    /** Takes over the host's tensors; `Triton` calls it. */
    constructor(outputs: HostOutputs);
    /**
     * Returns the output of this name; with `dataType` as a tensor of that type, whose `data()` then follows from it.
     *
     * @throws {InvalidError} There is none, or it has another type; the message says what there is.
     */
    get(name: string): Tensor;
    get<T extends DataType>(name: string, dataType: T): Tensor<T>;
    /** Their names. */
    get names(): string[];
    /** Iterates over names and tensors. */
    [Symbol.iterator](): Iterator<[string, Tensor]>;
    /** Gives all tensors back to the host now. */
    close(): void;
    /** Gives all tensors back to the host, at the end of a block with `using`. */
    [Symbol.dispose](): void;
}
/** The answers of a model that may answer one request many times, or not at all. Leaving the loop over it cancels the rest. */
export declare class PredictionStream implements AsyncIterableIterator<Outputs>, Disposable {
    #private;
    /** Takes over the host's stream; `Triton` calls it. */
    constructor(handle: HostStream);
    /** Waits for the next answer. Rejects as `Triton.predict`; after an error there is nothing more. */
    next(): Promise<IteratorResult<Outputs, undefined>>;
    /** Cancels the rest. */
    return(): Promise<IteratorResult<Outputs, undefined>>;
    /** Cancels the rest. Closing it twice changes nothing. */
    close(): void;
    /** Returns itself. */
    [Symbol.asyncIterator](): this;
    /** Cancels the rest, at the end of a block with `using`. */
    [Symbol.dispose](): void;
}
