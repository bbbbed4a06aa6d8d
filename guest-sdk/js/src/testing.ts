/**
 * Tests of an action's code on Node: parameters, objects and models in memory.
 *
 * ```ts
 * import { Environment } from "@keynet/inference/testing";
 * import { main } from "../main.js";
 *
 * test("it finds the cat", async () => {
 *   const environment = new Environment()
 *     .object("cat.png", PICTURE)
 *     .model("detector", () => ({ output_0: Tensor.from(new Float32Array(6), [1, 1, 6]) }));
 *   assert.deepEqual(await environment.call(main, { image_url: "cat.png" }), { found: [] });
 *   assert.equal(environment.written[0]?.contentType, "image/png");
 * });
 * ```
 *
 * Keys, etags and URLs of what is stored follow from the order of storing, so that a test can expect them.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";

import { declarationOf, type KeynetFunction } from "./function.js";
import { type Host, setLookup, type TensorInfo } from "./host.js";
import { type Json, type JsonObject, parseJson, resultToJson } from "./json.js";
import { MemoryHost, type Model } from "./memory-host.js";

const hosts = new AsyncLocalStorage<Host>();
setLookup(() => hosts.getStore());

export type { Model };

/** An object that the action stored. */
export interface Written {
  readonly location: string;
  readonly data: Uint8Array;
  readonly contentType: string;
}

/** A model of a test, as its server would describe it. */
export interface ModelOptions {
  readonly versions?: readonly string[];
  readonly platform?: string;
  readonly inputs?: readonly TensorInfo[];
  readonly outputs?: readonly TensorInfo[];
}

/** The host that an action's code meets in a test, inside {@link run} and {@link call}. */
export class Environment {
  readonly #host = new MemoryHost();

  /** Adds a parameter that the caller sends. */
  param(name: string, value: Json): this {
    this.#host.sent[name] = value;
    return this;
  }

  /** Adds an object: under a key, an `s3://bucket/key`, or an http(s) URL to be read. */
  object(location: string, data: Uint8Array | string, contentType?: string): this {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    this.#host.store(location, bytes, contentType, false);
    return this;
  }

  /**
   * Adds a model. The first is the one that is asked when no name is given.
   *
   * `model` gets its inputs by name and returns its outputs by name; an array of them answers a stream. It may throw an error of this
   * package. `inputs` are what `metadata` returns; an input of another type than is declared is refused, as a server refuses it.
   */
  model(name: string, model: Model, options: ModelOptions = {}): this {
    const { versions = ["1"], platform = "test", inputs = [], outputs = [] } = options;
    this.#host.models.set(name, { answer: model, metadata: { name, versions, platform, inputs, outputs } });
    return this;
  }

  /** The objects that the action stored and did not delete, in the order of their locations. */
  get written(): Written[] {
    return this.#host.written();
  }

  /**
   * Runs a declared function as the runtime does: parameters and result pass through JSON.
   *
   * Rejects with what the function throws, and with `InternalError` for a result that cannot be JSON. The result is plain JSON.
   */
  async call<R>(main: KeynetFunction<never, R>, parameters?: JsonObject): Promise<R> {
    const declaration = declarationOf(main);
    if (declaration === undefined) throw new TypeError("what is called must be made by keynetFunction");
    Object.assign(this.#host.sent, parameters);
    const args = parseJson(resultToJson(this.#host.sent));
    const result = await this.run(async () => declaration.run(args));
    return parseJson(resultToJson(result)) as R;
  }

  /** Runs code that calls the host. */
  run<T>(code: () => T): T {
    return hosts.run(this.#host, code);
  }
}
