// What every language's SDK must do alike, in TypeScript: `do` names the part. tests/parity/README.md says what each part returns.

import { InvalidError, type Json, keynetFunction, UserInput } from "@keynet/inference";

import { catchKind, raise } from "./errors.ts";
import { allocate, compute, fresh, recurse, sleep } from "./machine.ts";
import { big, through } from "./tensors.ts";

let runs = 0;

const input = {
  type: "object",
  properties: {
    do: { type: "string", description: "The part." },
    whole: { type: ["integer", "null"], format: "int64" },
    fraction: { type: ["number", "null"] },
    flag: { type: ["boolean", "null"] },
    text: { type: ["string", "null"] },
  },
  required: ["do"],
} as const;

export const main = keynetFunction({ name: "parity-js", description: "Does what every SDK must do alike.", input }, async (args) => {
  const { whole = null, fraction = null, flag = null, text = null } = args;
  switch (args.do) {
    case "echo":
      return UserInput.all();
    case "kinds":
      return Object.fromEntries(
        Object.entries(UserInput.all())
          .filter(([name]) => name !== "do")
          .map(([name, value]) => [name, kindOf(value)]),
      );
    case "defaults":
      return {
        sent: UserInput.get("sent", 0.5),
        missing: UserInput.get("missing", 0.5),
        flag: UserInput.get("flag", false),
        text: UserInput.get("text", "none"),
      };
    case "typed":
      return { whole, fraction, flag, text };
    case "array":
      return [1, "two", { three: 3 }];
    case "not-json":
      return { picture: new Map([[[1, 2], 3]]) };
    case "crash":
      return crash();
    case "raise":
      return raise(parameter("kind"), parameter("message"));
    case "catch":
      return catchKind(parameter("call"));
    case "tensor":
      return through();
    case "big-tensor":
      return big();
    case "log":
      return log();
    case "environment":
      return Object.fromEntries((UserInput.require("names") as string[]).map((name) => [name, process.env[name] ?? null]));
    case "fresh":
      return fresh();
    case "runs":
      runs += 1;
      return { runs };
    case "files":
      return { read: await works("read"), written: await works("write") };
    case "allocate":
      return allocate();
    case "compute":
      return compute();
    case "sleep":
      return sleep();
    case "recurse":
      return { depth: recurse(0) };
    case "exit":
      return process.exit(3);
    default:
      throw new InvalidError(`there is no part \`${args.do}\``);
  }
});

function parameter(name: string): string {
  return UserInput.get(name, "");
}

function kindOf(value: Json): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value === "bigint" ? "number" : typeof value;
}

function crash(): never {
  throw new RangeError("the box is empty: 상자"); // crashes here
}

function log(): object {
  console.log("to standard output");
  console.error("to standard error");
  console.log("한국어, ü and %s", "\u{1f600}");
  console.debug("finely");
  console.info("informed");
  console.warn("warned");
  console.error("wrong");
  process.stdout.write("without an end");
  return {};
}

/** There is no module for files: only a global could have them. */
async function works(how: "read" | "write"): Promise<boolean> {
  const files = (globalThis as { fs?: Record<string, (path: string) => Promise<unknown>> }).fs;
  return files?.[how]?.("/etc/passwd").then(() => true) ?? false;
}
