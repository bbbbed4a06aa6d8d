/** The JSON Schema that describes an action's parameters, and the type that follows from it. */

import type { Json, JsonObject } from "./json.js";

/** The types of JSON. */
export type TypeName = "string" | "number" | "integer" | "boolean" | "object" | "array" | "null";

/**
 * A JSON Schema, with the keywords that {@link keynetFunction} checks.
 *
 * A property with a `default` has that value where the caller leaves it out. `format: "int64"` makes an `integer` a `bigint`, which
 * holds all of its 64 bits; other integers are numbers and must be exact ones, up to 2^53.
 */
export interface Schema {
  readonly $schema?: string;
  readonly type?: TypeName | readonly TypeName[];
  readonly title?: string;
  readonly description?: string;
  readonly default?: Json;
  readonly examples?: readonly Json[];
  readonly enum?: readonly (string | number | boolean | null)[];
  readonly const?: string | number | boolean | null;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly properties?: { readonly [name: string]: Schema };
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
}

/** The schema of all parameters. */
export interface ObjectSchema extends Schema {
  readonly type: "object";
}

/** The keywords of {@link Schema}: others are refused, since callers would take them for checked. */
export const KEYWORDS: readonly string[] = [
  "$schema",
  "type",
  "title",
  "description",
  "default",
  "examples",
  "enum",
  "const",
  "format",
  "minimum",
  "maximum",
  "minLength",
  "maxLength",
  "items",
  "minItems",
  "maxItems",
  "properties",
  "required",
  "additionalProperties",
] satisfies (keyof Schema)[];

/** The type of the values that a schema describes. */
export type FromSchema<S> = S extends { readonly const: infer C }
  ? C
  : S extends { readonly enum: readonly (infer E)[] }
    ? E
    : S extends { readonly type: readonly (infer T)[] }
      ? OfType<T, S>
      : S extends { readonly type: infer T }
        ? OfType<T, S>
        : Json;

type OfType<T, S> = T extends "string"
  ? string
  : T extends "number"
    ? number
    : T extends "integer"
      ? S extends { readonly format: "int64" }
        ? bigint
        : number
      : T extends "boolean"
        ? boolean
        : T extends "null"
          ? null
          : T extends "array"
            ? S extends { readonly items: infer I }
              ? FromSchema<I>[]
              : Json[]
            : T extends "object"
              ? OfProperties<S>
              : never;

type OfProperties<S> = S extends { readonly properties: infer P }
  ? Flat<
      { -readonly [K in keyof P as K extends Given<P, S> ? K : never]: FromSchema<P[K]> } & {
        -readonly [K in keyof P as K extends Given<P, S> ? never : K]?: FromSchema<P[K]>;
      }
    >
  : S extends { readonly additionalProperties: infer V }
    ? V extends boolean
      ? JsonObject
      : { [name: string]: FromSchema<V> }
    : JsonObject;

/** The names of properties that are always there: required ones, and those with a default. */
type Given<P, S> =
  | (S extends { readonly required: readonly (infer R)[] } ? R : never)
  | { [K in keyof P]: P[K] extends { readonly default: unknown } ? K : never }[keyof P];

type Flat<T> = { [K in keyof T]: T[K] };
