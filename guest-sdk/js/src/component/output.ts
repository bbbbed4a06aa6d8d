/** Standard output and standard error: the activation's logs. */

import { getStderr } from "wasi:cli/stderr@0.2.10";
import { getStdout } from "wasi:cli/stdout@0.2.10";
import type { OutputStream } from "wasi:io/streams@0.2.10";

import { inActivation } from "./engine.js";

/** The most that the streams take at once. */
const MOST = 4096;

const encoder = new TextEncoder();
const streams: { out?: OutputStream; err?: OutputStream } = {};

/** Writes text to one of the streams; nothing while the component is built. */
export function write(to: "out" | "err", text: string): void {
  if (!inActivation()) return;
  const stream = (streams[to] ??= to === "out" ? getStdout() : getStderr());
  const bytes = encoder.encode(text);
  for (let at = 0; at < bytes.length; at += MOST) stream.blockingWriteAndFlush(bytes.slice(at, at + MOST));
}
