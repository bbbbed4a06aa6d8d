/** Values as `console` writes them. */

import { frameLine, userFrames } from "./trace.js";
import { sourceMap } from "./source-map.js";

const DEEPEST = 4;
const MOST_ITEMS = 100;

/** Returns the arguments of a call of `console.log` as one text, with `%s`, `%d`, `%i`, `%f`, `%j`, `%o` and `%O` filled. */
export function format(values: readonly unknown[]): string {
  const [first, ...rest] = values;
  if (typeof first !== "string") return values.map((value) => text(value)).join(" ");
  const filled = first.replace(/%([sdifjoO%])/g, (whole, kind: string) => {
    if (kind === "%") return "%";
    if (rest.length === 0) return whole;
    const value = rest.shift();
    switch (kind) {
      case "s":
        return text(value);
      case "d":
      case "f":
        return typeof value === "bigint" ? `${value}` : String(Number(value));
      case "i":
        return String(Math.trunc(Number(value)));
      case "j":
        return JSON.stringify(value) ?? "undefined";
      default:
        return inspect(value);
    }
  });
  return [filled, ...rest.map((value) => text(value))].join(" ");
}

/** Returns an error with its stack in the user's sources, and with its causes. */
export function describeError(error: Error): string {
  const name = error.name || "Error";
  const head = error.message === "" ? name : `${name}: ${error.message}`;
  const lines = [head, ...userFrames(error.stack ?? "", sourceMap()).map(frameLine)];
  if (error instanceof AggregateError) lines.push(...error.errors.slice(0, MOST_ITEMS).map((each) => `  [error]: ${inspect(each)}`));
  if (error.cause !== undefined) lines.push(`  [cause]: ${inspect(error.cause)}`);
  return lines.join("\n");
}

function text(value: unknown): string {
  return typeof value === "string" ? value : inspect(value);
}

function inspect(value: unknown, depth = 0, seen: readonly object[] = []): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "bigint":
      return `${value}n`;
    case "function":
      return `[function ${value.name || "(anonymous)"}]`;
    case "object":
      return value === null ? "null" : inspectObject(value, depth, seen);
    default:
      return Object.is(value, -0) ? "-0" : String(value);
  }
}

function inspectObject(value: object, depth: number, seen: readonly object[]): string {
  if (value instanceof Error) return describeError(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (value instanceof RegExp) return String(value);
  if (seen.includes(value)) return "[circular]";
  const inner = (each: unknown) => inspect(each, depth + 1, [...seen, value]);
  const name: unknown = value.constructor?.name;
  const prefix = typeof name === "string" && name !== "Object" && name !== "Array" ? `${name} ` : "";
  if (depth >= DEEPEST) return Array.isArray(value) ? "[array]" : `[${prefix.trim() || "object"}]`;
  if (Array.isArray(value)) return `${prefix}[${list(value, value.length, inner)}]`;
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    const array = value as unknown as ArrayLike<number>;
    return `${prefix.trim()}(${array.length}) [${list(Array.prototype.slice.call(array, 0, MOST_ITEMS), array.length, inner)}]`;
  }
  if (value instanceof Map) {
    return `${prefix.trim()}(${value.size}) {${list([...value], value.size, (each) => {
      const [key, entry] = each as [unknown, unknown];
      return `${inner(key)} => ${inner(entry)}`;
    })}}`;
  }
  if (value instanceof Set) return `${prefix.trim()}(${value.size}) {${list([...value], value.size, inner)}}`;
  if (Object.hasOwn(Object.getPrototypeOf(value) ?? {}, "toString") && prefix !== "") return String(value);
  const entries = Object.entries(value);
  const body = list(entries, entries.length, (each) => {
    const [key, entry] = each as [string, unknown];
    return `${/^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key)}: ${inner(entry)}`;
  });
  return body === "" ? `${prefix}{}` : `${prefix}{ ${body} }`;
}

function list(items: readonly unknown[], length: number, show: (item: unknown) => string): string {
  const shown = items.slice(0, MOST_ITEMS).map(show);
  return (length > shown.length ? [...shown, `… ${length - shown.length} more`] : shown).join(", ");
}
