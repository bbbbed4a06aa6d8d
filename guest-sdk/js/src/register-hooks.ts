/** The hooks of `register`, which run in a thread of their own. */

import { readFile } from "node:fs/promises";
import { createRequire, type InitializeHook, type LoadHook, type ResolveHook } from "node:module";
import { fileURLToPath } from "node:url";

/** The part of esbuild that is used. */
interface Esbuild {
  transform(source: string, options: { [name: string]: string }): Promise<{ code: string }>;
}

const SCRIPT = /\.[cm]?tsx?$/;
const TEXT = /\.(txt|csv|md|html)$/;
const BYTES = /\.(bin|gz|png|jpe?g|otf|ttf)$/;

let folder = "";

/** Receives the folder of the project. */
export const initialize: InitializeHook<string> = (url) => {
  folder = url;
};

/** Finds `detect.ts` where a module imports `detect.js`, as TypeScript does. */
export const resolve: ResolveHook = async (specifier, context, next) => {
  try {
    return await next(specifier, context);
  } catch (error) {
    if (!/^\.{1,2}\/.*\.js$/.test(specifier)) throw error;
    try {
      return await next(specifier.replace(/\.js$/, ".ts"), context);
    } catch {
      throw error;
    }
  }
};

/** Loads TypeScript, texts and bytes as modules. */
export const load: LoadHook = async (url, context, next) => {
  const { protocol, pathname } = new URL(url);
  if (protocol !== "file:") return next(url, context);
  const path = () => fileURLToPath(url);
  const asModule = (source: string) => ({ format: "module" as const, source, shortCircuit: true });
  if (SCRIPT.test(pathname)) return asModule(await javaScript(await readFile(path(), "utf8"), path()));
  if (TEXT.test(pathname)) return asModule(`export default ${JSON.stringify(await readFile(path(), "utf8"))};`);
  if (BYTES.test(pathname)) {
    return asModule(`export default new Uint8Array(Buffer.from("${(await readFile(path())).toString("base64")}", "base64"));`);
  }
  return next(url, context);
};

async function javaScript(source: string, sourcefile: string): Promise<string> {
  let esbuild: Esbuild;
  try {
    esbuild = createRequire(folder)("esbuild") as Esbuild;
  } catch {
    throw new Error(`${sourcefile} is TypeScript, which tests read by esbuild: npm install --save-dev esbuild`);
  }
  const { code } = await esbuild.transform(source, { loader: "ts", format: "esm", target: "node20", sourcemap: "inline", sourcefile });
  return code;
}
