/** `console` and `process`: logs, levels and the environment. */

import { getEnvironment } from "wasi:cli/environment@0.2.10";
import { exit } from "wasi:cli/exit@0.2.10";

import { inActivation } from "./engine.js";
import { format } from "./inspect.js";
import { write } from "./output.js";

const LEVELS = ["debug", "info", "warn", "error"] as const;
type Level = (typeof LEVELS)[number];

let environment: { [name: string]: string } | undefined;
let lowest: number | undefined;
let indentation = "";
const counts = new Map<string, number>();
const timers = new Map<string, number>();

/** Writes a line of a level, unless the environment's `LOG_LEVEL` is above it. */
export function log(level: Level, text: string): void {
  if (!inActivation()) return;
  lowest ??= Math.max(0, LEVELS.indexOf((variables()["LOG_LEVEL"]?.toLowerCase() ?? "info") as Level));
  if (LEVELS.indexOf(level) >= lowest) line("err", text);
}

function line(to: "out" | "err", text: string): void {
  write(to, `${indentation === "" ? text : text.replaceAll(/^/gm, indentation)}\n`);
}

function variables(): { [name: string]: string } {
  if (!inActivation()) return {};
  environment ??= Object.fromEntries(getEnvironment());
  return environment;
}

/** `console.log` writes to standard output; the levels write to standard error, below `LOG_LEVEL` (`info`) nothing. */
const console = {
  log: (...values: unknown[]) => line("out", format(values)),
  debug: (...values: unknown[]) => log("debug", format(values)),
  info: (...values: unknown[]) => log("info", format(values)),
  warn: (...values: unknown[]) => log("warn", format(values)),
  error: (...values: unknown[]) => log("error", format(values)),
  trace: (...values: unknown[]) => log("debug", format([...values, new Error("trace")])),
  dir: (value: unknown) => line("out", format(["%o", value])),
  table: (value: unknown) => line("out", format([value])),
  assert: (holds: unknown, ...values: unknown[]) => {
    if (!holds) log("error", `assertion failed${values.length > 0 ? `: ${format(values)}` : ""}`);
  },
  count: (label = "default") => {
    counts.set(label, (counts.get(label) ?? 0) + 1);
    line("out", `${label}: ${counts.get(label)}`);
  },
  countReset: (label = "default") => void counts.delete(label),
  group: (...values: unknown[]) => {
    if (values.length > 0) line("out", format(values));
    indentation += "  ";
  },
  groupEnd: () => void (indentation = indentation.slice(2)),
  time: (label = "default") => void timers.set(label, performance.now()),
  timeLog: (label = "default") => line("out", `${label}: ${(performance.now() - (timers.get(label) ?? NaN)).toFixed(3)} ms`),
  timeEnd: (label = "default") => {
    console.timeLog(label);
    timers.delete(label);
  },
};

/** The part of Node's `process` that an action has. */
const process = {
  get env(): { [name: string]: string } {
    return variables();
  },
  argv: [] as string[],
  exit: (code = 0): never => exit(code === 0 ? { tag: "ok", val: undefined } : { tag: "err", val: undefined as never }),
  stdout: { write: (text: string) => (write("out", String(text)), true) },
  stderr: { write: (text: string) => (write("err", String(text)), true) },
};

Object.assign(globalThis, { console, process });
