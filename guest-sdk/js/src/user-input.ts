import { InvalidError } from "./errors.js";
import { currentHost } from "./host.js";
import type { Json, JsonObject } from "./json.js";
import { fromText, isWeb } from "./parameters.js";

/** The type that stands for the one of a default: `0.5` allows every number, `false` both booleans. */
type Widened<T> = T extends number ? number : T extends bigint ? bigint : T extends boolean ? boolean : T extends string ? string : T;

/**
 * The parameters of this activation as its caller sent them, readable from anywhere in the code that a function calls; never
 * configuration or credentials. An activation whose argument is an array, in a sequence, has none.
 */
export const UserInput = {
  /** Returns one parameter; `undefined` if it was not sent. */
  get,

  /**
   * Returns one parameter that has to be there.
   *
   * @throws {InvalidError} It was not sent.
   */
  require(name: string): Json {
    const value = get(name);
    if (value === undefined) throw new InvalidError(`the parameter \`${name}\` is missing`);
    return value;
  },

  /** Returns the names of all parameters. */
  names(): string[] {
    return Object.keys(currentHost().parameters());
  },

  /** Returns all parameters. */
  all(): JsonObject {
    return { ...currentHost().parameters() };
  },
} as const;

function get(name: string): Json | undefined;
/**
 * Returns one parameter, `fallback` if it was not sent. A web action's query sends text: there a number or a boolean is read from it if
 * `fallback` is one.
 *
 * @throws {InvalidError} It has another type than `fallback`, unless that is null.
 */
function get<T extends Json>(name: string, fallback: T): Widened<T>;
function get(name: string, fallback?: Json): Json | undefined {
  const parameters = currentHost().parameters();
  if (!Object.hasOwn(parameters, name)) return fallback;
  const sent = parameters[name] as Json;
  if (fallback === undefined || fallback === null) return sent;
  const value = isWeb(parameters) ? read(sent, fallback) : sent;
  if (typeof fallback === "bigint" && typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
  if (kindOf(value) !== kindOf(fallback)) {
    throw new InvalidError(`the parameter \`${name}\`: expected ${kindOf(fallback)}, came ${kindOf(value)} ${JSON.stringify(value, big)}`);
  }
  return value;
}

function read(sent: Json, fallback: Json): Json {
  if (typeof fallback === "number") return fromText(sent, ["number"]);
  if (typeof fallback === "bigint") return fromText(sent, ["integer"], true);
  return typeof fallback === "boolean" ? fromText(sent, ["boolean"]) : sent;
}

function kindOf(value: Json): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  return { number: "a number", bigint: "a whole number", string: "a string", boolean: "true or false" }[typeof value as string] ?? "an object";
}

function big(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
