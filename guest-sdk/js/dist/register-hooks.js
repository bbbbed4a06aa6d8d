/** The hooks of `register`, which run in a thread of their own. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
const SCRIPT = /\.[cm]?tsx?$/;
const TEXT = /\.(txt|csv|md|html)$/;
const BYTES = /\.(bin|gz|png|jpe?g|otf|ttf)$/;
let folder = "";
/** Receives the folder of the project. */
export const initialize = (url) => {
    folder = url;
};
/** Finds `detect.ts` where a module imports `detect.js`, as TypeScript does. */
export const resolve = async (specifier, context, next) => {
    try {
        return await next(specifier, context);
    }
    catch (error) {
        if (!/^\.{1,2}\/.*\.js$/.test(specifier))
            throw error;
        try {
            return await next(specifier.replace(/\.js$/, ".ts"), context);
        }
        catch {
            throw error;
        }
    }
};
/** Loads TypeScript, texts and bytes as modules. */
export const load = async (url, context, next) => {
    const { protocol, pathname } = new URL(url);
    if (protocol !== "file:")
        return next(url, context);
    const path = () => fileURLToPath(url);
    const asModule = (source) => ({ format: "module", source, shortCircuit: true });
    if (SCRIPT.test(pathname))
        return asModule(await javaScript(await readFile(path(), "utf8"), path()));
    if (TEXT.test(pathname))
        return asModule(`export default ${JSON.stringify(await readFile(path(), "utf8"))};`);
    if (BYTES.test(pathname)) {
        return asModule(`export default new Uint8Array(Buffer.from("${(await readFile(path())).toString("base64")}", "base64"));`);
    }
    return next(url, context);
};
async function javaScript(source, sourcefile) {
    let esbuild;
    try {
        esbuild = createRequire(folder)("esbuild");
    }
    catch {
        throw new Error(`${sourcefile} is TypeScript, which tests read by esbuild: npm install --save-dev esbuild`);
    }
    const { code } = await esbuild.transform(source, { loader: "ts", format: "esm", target: "node20", sourcemap: "inline", sourcefile });
    return code;
}
