/**
 * Lets Node run an action's modules as the build reads them: `node --import @keynet/inference/register --test test/*.test.ts`.
 *
 * TypeScript is read by the project's `esbuild`; files such as `labels.txt` and `font.otf` are imported as text and bytes.
 *
 * @module
 */

import { register } from "node:module";
import { pathToFileURL } from "node:url";

register("./register-hooks.js", import.meta.url, { data: pathToFileURL(`${process.cwd()}/`).href });
