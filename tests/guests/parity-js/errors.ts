// Errors: raised by the action, and those of the host, caught by their classes.

import {
  DeniedError,
  InternalError,
  InvalidError,
  KeynetError,
  NotFoundError,
  PreconditionFailedError,
  type PredictOptions,
  Storage,
  Tensor,
  TimedOutError,
  TooLargeError,
  Triton,
  UnavailableError,
} from "@keynet/inference";

const CLASSES = {
  invalid: InvalidError,
  "not-found": NotFoundError,
  denied: DeniedError,
  "precondition-failed": PreconditionFailedError,
  "too-large": TooLargeError,
  timeout: TimedOutError,
  unavailable: UnavailableError,
  internal: InternalError,
};

export function raise(kind: string, message: string): never {
  throw new CLASSES[kind as keyof typeof CLASSES](message);
}

/** Makes a call that fails, and answers with how it was caught. */
export async function catchKind(call: string): Promise<{ caught: string }> {
  try {
    await CALLS[call]?.();
  } catch (error) {
    for (const [kind, ErrorClass] of Object.entries(CLASSES)) {
      if (!(error instanceof ErrorClass)) continue;
      console.log(error.message);
      if (error.kind !== kind || !(error instanceof KeynetError) || !(error instanceof Error)) throw new Error("another kind");
      return { caught: kind };
    }
    throw error;
  }
  throw new Error("the call did not fail");
}

const storage = new Storage();

async function predict(model: string, name = "in", options: PredictOptions = {}): Promise<void> {
  await new Triton(model).predict({ [name]: Tensor.from(new Float32Array([1.5, -2]), [1, 2]) }, options);
}

const CALLS: Record<string, () => Promise<unknown>> = {
  "missing-object": () => storage.get("parity/missing"),
  "bad-location": () => storage.get("ftp://host/key"),
  "other-bucket": () => storage.get("s3://parity-elsewhere/key"),
  "write-twice": async () => {
    for (const content of ["1", "2"]) await storage.put(content, { key: "parity/once", ifAbsent: true });
  },
  "read-too-much": async () => {
    await storage.put(new Uint8Array(4096), { key: "parity/large" });
    await storage.get("parity/large");
  },
  "missing-model": () => predict("nobody"),
  "wrong-input": () => predict("identity_fp32", "nothing"),
  "no-registry": () => predict("models:/identity_fp32@best"),
  "no-time": () => predict("identity_fp32", "in", { timeoutMs: 0 }),
};
