import { clamped, text } from "./checks.js";
import type { DataType } from "./data-type.js";
import { InvalidError, KeynetError } from "./errors.js";
import { currentHost, type HostOutputs, type HostRequest, type HostStream, type ModelMetadata } from "./host.js";
import { handleOf, Tensor, tensorOf } from "./tensor.js";

/** A model's inputs by name. */
export type Inputs = { readonly [name: string]: Tensor };

/** How a model is asked. */
export interface PredictOptions {
  /** The model: `name`, `name:version`, `models:/name/3` or `models:/name@alias`. */
  readonly model?: string;
  /** The names of the outputs to return, in this order; all without it. */
  readonly outputs?: readonly string[];
  /** The longest wait in milliseconds; without it the time that the activation has left. */
  readonly timeoutMs?: number;
  /** Triton's request parameters, such as `{ priority: 1 }`. */
  readonly parameters?: { readonly [name: string]: string | number | boolean };
}

/** One of many requests that are sent at once. */
export interface PredictRequest extends PredictOptions {
  /** The model's inputs by name. */
  readonly inputs: Inputs;
}

/** A client of the models that Triton serves, or that the host runs in process where no Triton is configured. */
export class Triton {
  /** The model that is asked unless a call names another; empty for the deployment's `MODEL_NAME`. */
  readonly model: string;

  /** Makes a client that asks `model`, or the deployment's `MODEL_NAME`, unless a call names another. */
  constructor(model = "") {
    this.model = model;
  }

  /**
   * Asks a model and waits for its outputs. The tensors are lent and stay usable.
   *
   * Rejects with {@link InvalidError}: an input does not suit the model; `NotFoundError`, `DeniedError`: the model; `TimedOutError`,
   * `UnavailableError`: the server; `TooLargeError`: the request or its answer.
   */
  async predict(inputs: Inputs, options: PredictOptions = {}): Promise<Outputs> {
    return new Outputs(currentHost().predict(this.#request(inputs, options)));
  }

  /**
   * Sends all requests at once, so that the server can batch them, and returns the answers in their order. At most 256 may go at once.
   *
   * Rejects as {@link predict} with the first error.
   */
  async predictMany(requests: readonly PredictRequest[]): Promise<Outputs[]> {
    const answers = await this.predictManySettled(requests);
    return answers.map((answer) => {
      if (answer instanceof KeynetError) throw answer;
      return answer;
    });
  }

  /** Does as {@link predictMany}; an error stands in the place of its answer. */
  async predictManySettled(requests: readonly PredictRequest[]): Promise<(Outputs | KeynetError)[]> {
    const answers = currentHost().predictMany(requests.map(({ inputs, ...options }) => this.#request(inputs, options)));
    return answers.map((answer) => (answer instanceof KeynetError ? answer : new Outputs(answer)));
  }

  /**
   * Asks a model that answers many times, such as one that generates text; iterate over its answers with `for await`.
   *
   * Rejects as {@link predict}.
   */
  async predictStream(inputs: Inputs, options: PredictOptions = {}): Promise<PredictionStream> {
    return new PredictionStream(currentHost().predictStream(this.#request(inputs, options)));
  }

  /** Returns a model as its server describes it. Rejects as {@link predict}. */
  async metadata(model?: string): Promise<ModelMetadata> {
    return currentHost().metadata(text("model", model ?? this.model));
  }

  #request(inputs: Inputs, options: PredictOptions): HostRequest {
    const { model = this.model, outputs = [], timeoutMs, parameters } = options;
    return {
      model: text("model", model),
      inputs: Object.entries(inputs).map(([name, tensor]) => ({ name, tensor: handleOf(checked(name, tensor)) })),
      outputs: outputs.map((name) => text("name of an output", name)),
      timeoutMs: timeoutMs === undefined ? undefined : clamped("timeoutMs", timeoutMs),
      parameters: parameters === undefined ? "" : JSON.stringify(parameters),
    };
  }
}

/** A model's outputs by name, in its order or in the one asked for. */
export class Outputs implements Iterable<[string, Tensor]>, Disposable {
  readonly #tensors: ReadonlyMap<string, Tensor>;

  /** Takes over the host's tensors; `Triton` calls it. */
  constructor(outputs: HostOutputs) {
    this.#tensors = new Map(outputs.map(({ name, tensor }) => [name, tensorOf(tensor)]));
  }

  /**
   * Returns the output of this name; with `dataType` as a tensor of that type, whose `data()` then follows from it.
   *
   * @throws {InvalidError} There is none, or it has another type; the message says what there is.
   */
  get(name: string): Tensor;
  get<T extends DataType>(name: string, dataType: T): Tensor<T>;
  get(name: string, dataType?: DataType): Tensor {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) throw new InvalidError(`the model has no output \`${name}\`; it has ${this.names.join(", ") || "none"}`);
    if (dataType !== undefined && tensor.dataType !== dataType) {
      throw new InvalidError(`the output \`${name}\` is ${tensor.dataType}, not ${dataType}`);
    }
    return tensor;
  }

  /** Their names. */
  get names(): string[] {
    return [...this.#tensors.keys()];
  }

  /** Iterates over names and tensors. */
  [Symbol.iterator](): Iterator<[string, Tensor]> {
    return this.#tensors.entries();
  }

  /** Gives all tensors back to the host now. */
  close(): void {
    for (const tensor of this.#tensors.values()) tensor.close();
  }

  /** Gives all tensors back to the host, at the end of a block with `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** The answers of a model that may answer one request many times, or not at all. Leaving the loop over it cancels the rest. */
export class PredictionStream implements AsyncIterableIterator<Outputs>, Disposable {
  #handle: HostStream | undefined;

  /** Takes over the host's stream; `Triton` calls it. */
  constructor(handle: HostStream) {
    this.#handle = handle;
  }

  /** Waits for the next answer. Rejects as `Triton.predict`; after an error there is nothing more. */
  async next(): Promise<IteratorResult<Outputs, undefined>> {
    let outputs: HostOutputs | undefined;
    try {
      outputs = this.#handle?.next();
    } finally {
      if (outputs === undefined) this.close();
    }
    return outputs === undefined ? { done: true, value: undefined } : { done: false, value: new Outputs(outputs) };
  }

  /** Cancels the rest. */
  async return(): Promise<IteratorResult<Outputs, undefined>> {
    this.close();
    return { done: true, value: undefined };
  }

  /** Cancels the rest. Closing it twice changes nothing. */
  close(): void {
    const handle = this.#handle;
    this.#handle = undefined;
    handle?.drop();
  }

  /** Returns itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Cancels the rest, at the end of a block with `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}

function checked(name: string, value: unknown): Tensor {
  if (value instanceof Tensor) return value as Tensor;
  throw new InvalidError(
    `the input \`${name}\` is ${ArrayBuffer.isView(value) ? "a typed array" : `a ${typeof value}`}: pass a tensor, such as ` +
      "Tensor.from(new Float32Array([0.1, 0.2]), [1, 2])",
  );
}
