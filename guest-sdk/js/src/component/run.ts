/** The exports of the world `action`, for the function of a user's module. */

import { type ErrorKind, InvalidError, KeynetError } from "../errors.js";
import { type Declaration, declarationOf } from "../function.js";
import { type Host, setLookup } from "../host.js";
import { type Json, type JsonObject, parseJson, resultToJson, shown } from "../json.js";
import { componentHost } from "./bindings.js";
import { resetClock } from "./clock.js";
import { log } from "./console.js";
import { beginActivation } from "./engine.js";
import { describeError } from "./inspect.js";
import "./crypto.js";
import { sourceMap } from "./source-map.js";
import { frameLine, userFrames } from "./trace.js";

/** Begins a message of this module that the build shows as it stands. */
const BUILD_ERROR = "keynet-build: ";

/** What the contract's `describe` returns. */
interface Described {
  name: string;
  description: string;
  inputSchema: string | undefined;
}

/** An error as the engines hand it over: thrown, with the contract's error as its `payload`. */
class Failure {
  readonly payload: { kind: string; message: string };

  constructor(kind: ErrorKind, message: string) {
    this.payload = { kind, message: message.toWellFormed() };
  }
}

/** An error without a payload, which ends the action with a trap: the host then tells which limit it met, and how to raise it. */
class OutOfMemory extends Error {
  // The engines tell it, and it would lead into the SDK.
  override readonly stack = "";
}

/** The exported interface `function`. */
export interface Exports {
  describe(): Described;
  run(args: string): Promise<string>;
}

let host: Host | undefined;
setLookup(() => host);

/** Returns the exports for the function of a module: `main`, or the only one that it exports. */
export function exportsOf(module: { readonly [name: string]: unknown }): Exports {
  const declaration = find(module);
  const inputSchema = declaration.inputSchema && JSON.stringify(declaration.inputSchema);
  return {
    describe: () => ({ name: declaration.name, description: declaration.description, inputSchema }),
    run: async (args) => {
      beginActivation();
      resetClock();
      try {
        const parameters = parseJson(args);
        host = componentHost(isObject(parameters) ? parameters : {});
        return resultToJson(await declaration.run(parameters));
      } catch (thrown) {
        throw failureOf(thrown);
      }
    },
  };
}

function find(module: { readonly [name: string]: unknown }): Declaration {
  const main = declarationOf(module["main"]) ?? declarationOf(module["default"]);
  if (main !== undefined) return main;
  const [only, ...more] = new Set(Object.values(module).flatMap((value) => declarationOf(value) ?? []));
  if (only === undefined) {
    throw new Error(`${BUILD_ERROR}exports no function made by keynetFunction: export const main = keynetFunction({ name: "my-action" }, async (args) => …)`);
  }
  if (more.length > 0) throw new Error(`${BUILD_ERROR}exports ${more.length + 1} functions made by keynetFunction: call the one to run \`main\``);
  return only;
}

/** Returns what was thrown as the contract's error, after its trace went to the logs. */
export function failureOf(thrown: unknown): Failure | OutOfMemory {
  if (thrown instanceof Failure || thrown instanceof OutOfMemory) return thrown;
  if (isOutOfMemory(thrown)) return new OutOfMemory("out of memory");
  if (!(thrown instanceof Error)) {
    const message = `the function threw ${shown(thrown)}, which is no Error: throw new Error(…), so that it has a trace`;
    log("error", message);
    return new Failure("internal", message);
  }
  const [innermost] = userFrames(thrown.stack ?? "", sourceMap());
  const isOwn = innermost !== undefined;
  // Mistakes of the caller's parameters come from the SDK alone.
  if (isOwn || !(thrown instanceof InvalidError)) log("error", describeError(thrown));
  if (thrown instanceof KeynetError) return new Failure(thrown.kind, thrown.message);
  const place = innermost === undefined ? "" : ` (${frameLine(innermost).trim().replace(/^at /, "")})`;
  return new Failure("internal", `${thrown.name}: ${thrown.message}${adviceOn(thrown)}${place}`);
}

/** Whether memory ran out, as the engines tell it: QuickJS by an error, SpiderMonkey by a text. */
function isOutOfMemory(thrown: unknown): boolean {
  return thrown === "out of memory" || (thrown instanceof Error && thrown.name === "InternalError" && thrown.message === "out of memory");
}

/** Returns what to do about errors that Node would not have thrown. */
function adviceOn(error: Error): string {
  const [, name] = (error instanceof ReferenceError && /^'?([\w$]+)'? is not defined/.exec(error.message)) || [];
  switch (name) {
    case undefined:
      return "";
    case "fetch":
    case "XMLHttpRequest":
    case "WebSocket":
      return "; an action reaches URLs by `new Storage().get(url)`, and no other network";
    case "require":
    case "__dirname":
    case "__filename":
      return "; an action is an ES module without files: import what it needs at the top of the file";
    case "Buffer":
      return "; an action has no Buffer: use Uint8Array, TextEncoder and DataView";
    default:
      return name in SPIDERMONKEY ? '; QuickJS has none: `"keynet": { "engine": "spidermonkey" }` in package.json has it' : "";
  }
}

const SPIDERMONKEY: { readonly [name: string]: true } = {
  AbortController: true,
  Blob: true,
  CompressionStream: true,
  DecompressionStream: true,
  EventTarget: true,
  FormData: true,
  Headers: true,
  ReadableStream: true,
  Request: true,
  Response: true,
  TransformStream: true,
  WritableStream: true,
};

function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
