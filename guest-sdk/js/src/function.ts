import { type Json, type JsonObject } from "./json.js";
import { checkSchema, readParameters } from "./parameters.js";
import type { FromSchema, ObjectSchema, Schema } from "./schema.js";

const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;
const MAX_DESCRIPTION = 1024;
const DECLARATION: unique symbol = Symbol.for("@keynet/inference/declaration");

/** What a function may return: an object or an array, and no promise of anything else. */
type Result = object & { readonly then?: never };

/** What callers are told of a function. */
export interface FunctionInfo<S extends ObjectSchema = ObjectSchema> {
  /** What callers invoke it by: 1 to 63 of a-z, 0-9 and `-`. */
  readonly name: string;
  /** One or two sentences for callers; `keynet-inference push` requires it. */
  readonly description?: string;
  /** The JSON Schema of its parameters; without it any parameters are taken as they come. */
  readonly input?: S;
}

/** A declared function, which is called like any other. */
export interface KeynetFunction<A, R> {
  (args: A): Promise<R>;
  /** What it was declared as. */
  readonly [DECLARATION]: Declaration;
}

/** What `keynetFunction` says about its function, and how it runs. */
export interface Declaration {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: Schema | undefined;
  /** Runs the function with the caller's parameters, and returns its result or a promise of it. */
  readonly run: (args: Json) => unknown;
}

/**
 * Makes a function the entry point of an action.
 *
 * ```ts
 * export const main = keynetFunction(
 *   {
 *     name: "greeter",
 *     description: "Greets a person by name.",
 *     input: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
 *   },
 *   async ({ name }) => ({ greeting: `Hello, ${name}!` }),
 * );
 * ```
 *
 * The type of `args` follows from `input`, whose properties are checked before the function runs. It returns an object or an array that
 * can be written as JSON.
 *
 * @throws {TypeError} The name, the description or the schema cannot be used.
 */
export function keynetFunction<const S extends ObjectSchema, R extends Result>(
  info: FunctionInfo<S> & { readonly input: S },
  handler: (args: FromSchema<S>) => R | Promise<R>,
): KeynetFunction<FromSchema<S>, R>;
export function keynetFunction<R extends Result>(
  info: FunctionInfo & { readonly input?: undefined },
  handler: (args: JsonObject) => R | Promise<R>,
): KeynetFunction<JsonObject, R>;
export function keynetFunction(info: FunctionInfo, handler: (args: never) => unknown): KeynetFunction<never, object> {
  checkInfo(info);
  if (typeof handler !== "function") throw new TypeError(`the second argument of keynetFunction must be a function, not ${typeof handler}`);
  const schema = info.input;
  const run = (args: Json): unknown => handler((schema === undefined ? args : readParameters(schema, args)) as never);
  const declaration: Declaration = {
    name: info.name,
    description: info.description ?? "",
    inputSchema: schema && { $schema: "https://json-schema.org/draft/2020-12/schema", ...schema },
    run,
  };
  return Object.assign(async (args: never) => run(args) as object, { [DECLARATION]: declaration });
}

/** Returns what a value was declared as by `keynetFunction`; `undefined` for any other value. */
export function declarationOf(value: unknown): Declaration | undefined {
  return typeof value === "function" && DECLARATION in value ? (value[DECLARATION] as Declaration) : undefined;
}

function checkInfo(info: FunctionInfo): void {
  const { name, description, input } = info;
  if (typeof name !== "string" || !NAME.test(name)) {
    throw new TypeError(`the function's name ${JSON.stringify(name)} is not allowed: 1 to 63 of a-z, 0-9 and \`-\`, not beginning with \`-\``);
  }
  if (description !== undefined && (typeof description !== "string" || description.trim() === "")) {
    throw new TypeError("the description of a function must be text that is not empty");
  }
  if (new TextEncoder().encode(description ?? "").length > MAX_DESCRIPTION) {
    throw new TypeError(`the description of "${name}" is longer than ${MAX_DESCRIPTION} bytes`);
  }
  if (input !== undefined) {
    if ((input as Schema).type !== "object") throw new TypeError('`input` must be a JSON Schema with `type: "object"`');
    checkSchema(input);
  }
}
