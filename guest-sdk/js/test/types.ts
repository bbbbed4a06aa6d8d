// What the types promise: checked by `npm run check`, never run.

import { type FromSchema, keynetFunction, type KeynetFunction, Outputs, type Schema, Storage, Tensor, Triton, UserInput } from "@keynet/inference";
import { Environment } from "@keynet/inference/testing";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function expect<_ extends true>(): void {
  // A type that is not true does not compile.
}

// ---- Parameters follow from the schema

export const main = keynetFunction(
  {
    name: "types",
    input: {
      type: "object",
      properties: {
        name: { type: "string" },
        threshold: { type: "number", default: 0.5 },
        seed: { type: "integer", format: "int64" },
        mode: { enum: ["fast", "exact"] },
        box: { type: "array", items: { type: "number" } },
        maybe: { type: ["string", "null"] },
        anything: {},
        deep: { type: "object", properties: { x: { type: "integer" } }, required: ["x"] },
      },
      required: ["name", "box"],
    },
  },
  async (args) => {
    expect<Same<typeof args.name, string>>();
    expect<Same<typeof args.threshold, number>>();
    expect<Same<typeof args.seed, bigint | undefined>>();
    expect<Same<typeof args.mode, "fast" | "exact" | undefined>>();
    expect<Same<typeof args.box, number[]>>();
    expect<Same<typeof args.maybe, string | null | undefined>>();
    expect<Same<typeof args.deep, { x: number } | undefined>>();
    // @ts-expect-error it is not declared
    void args.other;
    return { found: args.box.length };
  },
);
expect<Same<Awaited<ReturnType<typeof main>>, { found: number }>>();

export const any = keynetFunction({ name: "any" }, (args) => ({ name: args["name"] ?? null }));

// @ts-expect-error a result is an object or an array
keynetFunction({ name: "text" }, async () => "text");

// @ts-expect-error the schema has a keyword that is not checked
const unknownKeyword: Schema = { type: "string", pattern: "a" };
void unknownKeyword;

expect<Same<FromSchema<{ type: "array"; items: { type: "boolean" } }>, boolean[]>>();

// ---- Elements follow from the data type

export async function elements(outputs: Outputs, anything: Tensor): Promise<void> {
  expect<Same<ReturnType<Tensor<"FP32">["data"]>, Float32Array>>();
  expect<Same<ReturnType<Tensor<"INT64">["toArray"]>, bigint[]>>();
  const ids = outputs.get("ids", "INT64").data();
  expect<Same<typeof ids, BigInt64Array>>();
  const made = Tensor.from(new Int32Array(4), [2, 2]);
  expect<Same<typeof made, Tensor<"INT32">>>();
  Tensor.of("INT64", [2], [1, 2n]);
  Tensor.of("BYTES", [1], ["text"]);
  // @ts-expect-error text is no number
  Tensor.of("FP32", [1], ["text"]);
  // @ts-expect-error there is no such data type
  Tensor.of("FLOAT", [1], [1]);
  anything.as("UINT8").data().fill(1);
  await new Triton("m").predict({ made, anything, ids: outputs.get("ids") });
  // @ts-expect-error inputs are tensors
  await new Triton("m").predict({ made: new Float32Array(1) });
}

// ---- Others

export async function others(): Promise<void> {
  expect<Same<ReturnType<typeof UserInput.names>, string[]>>();
  const threshold = UserInput.get("threshold", 0.5);
  expect<Same<typeof threshold, number>>();
  const flag = UserInput.get("flag", false);
  expect<Same<typeof flag, boolean>>();
  const { url } = await new Storage().put("text", { contentType: "text/plain" });
  expect<Same<typeof url, string>>();
  for await (const object of new Storage().list("a/")) expect<Same<typeof object.modified, Date | undefined>>();
  const result = await new Environment().call(main, { name: "a", box: [] });
  expect<Same<typeof result, { found: number }>>();
  const general: KeynetFunction<never, object> = main;
  void general;
}
