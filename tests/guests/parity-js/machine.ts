// What the sandbox gives and takes: time, memory, randomness.

// While the component is built: the generators must begin anew in each activation.
const atBuild = { random: Math.random(), time: Date.now(), uuid: refused(() => crypto.randomUUID()) };

/** Bytes that every activation would have are refused. */
function refused(call: () => string): boolean {
  try {
    call();
  } catch {
    return true;
  }
  return false;
}

/** Returns what must be another in each activation, and the clock. */
export async function fresh(): Promise<object> {
  const before = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 5));
  if (performance.now() - before < 4) throw new Error("a timer of 5 ms fired too early");
  if (atBuild.time > Date.now() || !(atBuild.random < 1) || !atBuild.uuid) throw new Error("the build was not as it should be");
  return {
    different: {
      "Math.random": Math.random(),
      "crypto.getRandomValues": Array.from(crypto.getRandomValues(new Uint8Array(8))),
      "crypto.randomUUID": crypto.randomUUID(),
      "Date.now and performance.now": `${Date.now()} ${performance.now()}`,
    },
    seconds: Date.now() / 1000,
  };
}

export function allocate(): never {
  const held: Uint8Array[] = [];
  for (;;) held.push(new Uint8Array(1 << 20).fill(held.length % 256));
}

export function compute(): never {
  for (let number = 0; ; ) number += 1;
}

export async function sleep(): Promise<object> {
  console.log("sleeping");
  await new Promise((resolve) => setTimeout(resolve, 600_000));
  return {};
}

export function recurse(depth: number): number {
  return recurse(depth + 1) + 1;
}
