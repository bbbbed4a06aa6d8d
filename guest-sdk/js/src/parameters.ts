/** Parameters: reading them as their schema says, with errors that a caller understands. */

import { InvalidError } from "./errors.js";
import { type Json, type JsonObject, shown } from "./json.js";
import { KEYWORDS, type Schema, type TypeName } from "./schema.js";

const NAMES: { readonly [T in TypeName]: string } = {
  string: "a string",
  number: "a number",
  integer: "a whole number",
  boolean: "true or false",
  object: "an object",
  array: "an array",
  null: "null",
};
const INT64 = [-(2n ** 63n), 2n ** 63n - 1n] as const;

/** The parameter that web actions have and others do not. */
const METHOD = "__ow_method";

/** Whether the caller is a web action, whose queries and forms send numbers and booleans as text. */
export function isWeb(parameters: JsonObject): boolean {
  return Object.hasOwn(parameters, METHOD);
}

/**
 * Returns `parameters` as `schema` describes them: with defaults, and with numbers and booleans that a web action sent as text.
 *
 * @throws {InvalidError} One is missing or mistaken; the message names it, what was expected and what came.
 */
export function readParameters(schema: Schema, parameters: Json): JsonObject {
  if (!isObject(parameters)) throw mistaken("", "an object", parameters);
  return readObject(schema, parameters, "", isWeb(parameters));
}

/** Returns the number or boolean that a text stands for, if `wanted` is such; other values as they are. */
export function fromText(value: Json, wanted: readonly TypeName[], isInt64 = false): Json {
  if (typeof value !== "string" || wanted.includes("string")) return value;
  const text = value.trim();
  for (const type of wanted) {
    if (type === "boolean") {
      const read = { true: true, "1": true, false: false, "0": false }[text.toLowerCase()];
      if (read !== undefined) return read;
    } else if (type === "integer" && /^[+-]?\d+$/.test(text)) {
      return isInt64 || !Number.isSafeInteger(Number(text)) ? BigInt(text.replace("+", "")) : Number(text);
    } else if (type === "number" && /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) && Number.isFinite(Number(text))) {
      return Number(text);
    }
  }
  return value;
}

/**
 * Checks that a schema has only what is checked, while the module is loaded.
 *
 * @throws {TypeError} It has another keyword or type.
 */
export function checkSchema(schema: Schema, path = "input"): void {
  const unknown = Object.keys(schema).find((keyword) => !KEYWORDS.includes(keyword));
  if (unknown !== undefined) {
    throw new TypeError(`\`${path}\` has the keyword \`${unknown}\`, which is not checked: use ${KEYWORDS.slice(1).join(", ")}`);
  }
  const type = typesOf(schema).find((each) => !Object.hasOwn(NAMES, each));
  if (type !== undefined) throw new TypeError(`\`${path}\` has the type "${String(type)}", which is none of JSON Schema`);
  const names = Object.keys(schema.properties ?? {});
  const missing = schema.required?.find((name) => !names.includes(name));
  if (missing !== undefined) throw new TypeError(`\`${path}\` requires \`${missing}\`, which is none of its properties`);
  for (const [name, each] of Object.entries(schema.properties ?? {})) checkSchema(each, `${path}.properties.${name}`);
  if (schema.items !== undefined) checkSchema(schema.items, `${path}.items`);
  if (typeof schema.additionalProperties === "object") checkSchema(schema.additionalProperties, `${path}.additionalProperties`);
}

function typesOf(schema: Schema): readonly TypeName[] {
  return schema.type === undefined ? [] : typeof schema.type === "string" ? [schema.type] : schema.type;
}

function readObject(schema: Schema, value: JsonObject, path: string, web: boolean): JsonObject {
  const properties = schema.properties ?? {};
  const read: JsonObject = {};
  for (const [name, given] of Object.entries(value)) {
    const property = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (property !== undefined) {
      const text = web ? fromText(given, typesOf(property), property.format === "int64") : given;
      put(read, name, readValue(property, text, join(path, name)));
    } else if (schema.additionalProperties === false && !(path === "" && name.startsWith("__ow_"))) {
      throw new InvalidError(`there is no parameter \`${join(path, name)}\`: there is ${Object.keys(properties).join(", ") || "none"}`);
    } else if (typeof schema.additionalProperties === "object") {
      put(read, name, readValue(schema.additionalProperties, given, join(path, name)));
    } else {
      put(read, name, given);
    }
  }
  for (const [name, property] of Object.entries(properties)) {
    if (Object.hasOwn(value, name)) continue;
    if (property.default !== undefined) {
      put(read, name, readValue(property, structuredCopy(property.default), join(path, name)));
    } else if (schema.required?.includes(name)) {
      const about = property.description === undefined ? "" : `, "${property.description.split("\n")[0]}"`;
      throw new InvalidError(`the parameter \`${join(path, name)}\` is missing: expected ${expected(property)}${about}`);
    }
  }
  return read;
}

function readValue(schema: Schema, value: Json, path: string): Json {
  if (schema.const !== undefined && value !== schema.const) throw mistaken(path, JSON.stringify(schema.const), value);
  if (schema.enum !== undefined && !schema.enum.some((each) => each === value)) {
    throw mistaken(path, `one of ${schema.enum.map((each) => JSON.stringify(each)).join(", ")}`, value);
  }
  const types = typesOf(schema);
  const type = types.find((each) => isOf(each, value));
  if (types.length > 0 && type === undefined) throw mistaken(path, expected(schema), value);
  if (typeof value === "number" || typeof value === "bigint") return readNumber(schema, type, value, path);
  if (typeof value === "string") {
    const { minLength = 0, maxLength = Infinity } = schema;
    const length = [...value].length;
    if (length < minLength || length > maxLength) {
      throw mistaken(path, `a string of ${range(schema.minLength, schema.maxLength)} characters`, value);
    }
  } else if (Array.isArray(value)) {
    const { minItems = 0, maxItems = Infinity, items } = schema;
    if (value.length < minItems || value.length > maxItems) {
      const came = `an array of ${value.length}`;
      throw new InvalidError(`${what(path)}: expected an array of ${range(schema.minItems, schema.maxItems)} elements, came ${came}`);
    }
    return items === undefined ? value : value.map((each, at) => readValue(items, each, `${path}[${at}]`));
  } else if (isObject(value)) {
    return readObject(schema, value, path, false);
  }
  return value;
}

function readNumber(schema: Schema, type: TypeName | undefined, value: number | bigint, path: string): Json {
  const { minimum = -Infinity, maximum = Infinity } = schema;
  if (value < minimum || value > maximum) throw mistaken(path, `${expected(schema)}, ${range(schema.minimum, schema.maximum)}`, value);
  if (type === "number") return Number(value);
  if (type !== "integer") return value;
  if (schema.format === "int64") {
    const whole = BigInt(value);
    if (whole < INT64[0] || whole > INT64[1]) throw mistaken(path, "a whole number of 64 bits", value);
    return whole;
  }
  if (!Number.isSafeInteger(Number(value))) throw mistaken(path, "a whole number up to 2^53", value);
  return Number(value);
}

function isOf(type: TypeName, value: Json): boolean {
  switch (type) {
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return isObject(value);
    case "integer":
      return typeof value === "bigint" || Number.isInteger(value);
    case "number":
      return typeof value === "number" || typeof value === "bigint";
    default:
      return typeof value === type;
  }
}

function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Sets a property of its own, whatever its name. */
function put(object: JsonObject, name: string, value: Json): void {
  if (name === "__proto__") Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
  else object[name] = value;
}

function structuredCopy(value: Json): Json {
  return typeof value === "object" && value !== null ? (JSON.parse(JSON.stringify(value)) as Json) : value;
}

function expected(schema: Schema): string {
  const names = typesOf(schema).map((type) => NAMES[type]);
  return names.length > 0 ? names.join(" or ") : "a value";
}

function range(least: number | undefined, most: number | undefined): string {
  if (least === undefined) return `at most ${most}`;
  return most === undefined ? `at least ${least}` : `${least} to ${most}`;
}

function what(path: string): string {
  return path === "" ? "the parameters" : `the parameter \`${path}\``;
}

function mistaken(path: string, wanted: string, came: Json): InvalidError {
  return new InvalidError(`${what(path)}: expected ${wanted}, came ${described(came)}`);
}

function described(value: Json): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  if (typeof value === "string") return `string ${shown(value)}`;
  return typeof value === "boolean" ? `boolean \`${value}\`` : `number \`${value}\``;
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
