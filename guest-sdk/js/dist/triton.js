import { clamped, text } from "./checks.js";
import { InvalidError, KeynetError } from "./errors.js";
import { currentHost } from "./host.js";
import { handleOf, Tensor, tensorOf } from "./tensor.js";
/** A client of the models that Triton serves, or that the host runs in process where no Triton is configured. */
export class Triton {
    /** The model that is asked unless a call names another; empty for the deployment's `MODEL_NAME`. */
    model;
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
    async predict(inputs, options = {}) {
        return new Outputs(currentHost().predict(this.#request(inputs, options)));
    }
    /**
     * Sends all requests at once, so that the server can batch them, and returns the answers in their order. At most 256 may go at once.
     *
     * Rejects as {@link predict} with the first error.
     */
    async predictMany(requests) {
        const answers = await this.predictManySettled(requests);
        return answers.map((answer) => {
            if (answer instanceof KeynetError)
                throw answer;
            return answer;
        });
    }
    /** Does as {@link predictMany}; an error stands in the place of its answer. */
    async predictManySettled(requests) {
        const answers = currentHost().predictMany(requests.map(({ inputs, ...options }) => this.#request(inputs, options)));
        return answers.map((answer) => (answer instanceof KeynetError ? answer : new Outputs(answer)));
    }
    /**
     * Asks a model that answers many times, such as one that generates text; iterate over its answers with `for await`.
     *
     * Rejects as {@link predict}.
     */
    async predictStream(inputs, options = {}) {
        return new PredictionStream(currentHost().predictStream(this.#request(inputs, options)));
    }
    /** Returns a model as its server describes it. Rejects as {@link predict}. */
    async metadata(model) {
        return currentHost().metadata(text("model", model ?? this.model));
    }
    #request(inputs, options) {
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
export class Outputs {
    #tensors;
    /** Takes over the host's tensors; `Triton` calls it. */
    constructor(outputs) {
        this.#tensors = new Map(outputs.map(({ name, tensor }) => [name, tensorOf(tensor)]));
    }
    get(name, dataType) {
        const tensor = this.#tensors.get(name);
        if (tensor === undefined)
            throw new InvalidError(`the model has no output \`${name}\`; it has ${this.names.join(", ") || "none"}`);
        if (dataType !== undefined && tensor.dataType !== dataType) {
            throw new InvalidError(`the output \`${name}\` is ${tensor.dataType}, not ${dataType}`);
        }
        return tensor;
    }
    /** Their names. */
    get names() {
        return [...this.#tensors.keys()];
    }
    /** Iterates over names and tensors. */
    [Symbol.iterator]() {
        return this.#tensors.entries();
    }
    /** Gives all tensors back to the host now. */
    close() {
        for (const tensor of this.#tensors.values())
            tensor.close();
    }
    /** Gives all tensors back to the host, at the end of a block with `using`. */
    [Symbol.dispose]() {
        this.close();
    }
}
/** The answers of a model that may answer one request many times, or not at all. Leaving the loop over it cancels the rest. */
export class PredictionStream {
    #handle;
    /** Takes over the host's stream; `Triton` calls it. */
    constructor(handle) {
        this.#handle = handle;
    }
    /** Waits for the next answer. Rejects as `Triton.predict`; after an error there is nothing more. */
    async next() {
        let outputs;
        try {
            outputs = this.#handle?.next();
        }
        finally {
            if (outputs === undefined)
                this.close();
        }
        return outputs === undefined ? { done: true, value: undefined } : { done: false, value: new Outputs(outputs) };
    }
    /** Cancels the rest. */
    async return() {
        this.close();
        return { done: true, value: undefined };
    }
    /** Cancels the rest. Closing it twice changes nothing. */
    close() {
        const handle = this.#handle;
        this.#handle = undefined;
        handle?.drop();
    }
    /** Returns itself. */
    [Symbol.asyncIterator]() {
        return this;
    }
    /** Cancels the rest, at the end of a block with `using`. */
    [Symbol.dispose]() {
        this.close();
    }
}
function checked(name, value) {
    if (value instanceof Tensor)
        return value;
    throw new InvalidError(`the input \`${name}\` is ${ArrayBuffer.isView(value) ? "a typed array" : `a ${typeof value}`}: pass a tensor, such as ` +
        "Tensor.from(new Float32Array([0.1, 0.2]), [1, 2])");
}
