/**
 * Makes a component of an action's module: bundles it with what it imports, and has the engine evaluate the bundle.
 *
 * `node build.mjs OPTIONS` with JSON as the only argument prints JSON: `{}`, or what failed as `{ "error": { kind, at, text } }`.
 */

import { readFile, writeFile } from "node:fs/promises";
import { createRequire, isBuiltin } from "node:module";
import { dirname, join, resolve, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { frameLine, userFrames } from "../dist/component/trace.js";

const SDK = dirname(dirname(fileURLToPath(import.meta.url)));
const INJECTED = join(SDK, "toolchain/quickjs/inject.js");
/** Begins a message of the SDK about the module. */
const MARK = "keynet-build: ";

/** The interface of the imaging library, which a bundle imports that works on pictures. */
const PICTURES = "keynet:imaging/pictures@";

/** What a file that is imported becomes, by the end of its name; others are code. */
const LOADERS = {
  ...Object.fromEntries([".txt", ".csv", ".md", ".html"].map((end) => [end, "text"])),
  ...Object.fromEntries([".bin", ".otf", ".ttf", ".png", ".jpg", ".jpeg", ".gz"].map((end) => [end, "binary"])),
};

/** What keeps a module from becoming a component. */
class Failure extends Error {
  constructor(kind, at, text) {
    super(text);
    this.report = { kind, at, text };
  }
}

/** Bundles `entry` and what it imports into one file. */
async function bundle({ project, entry, engine, tools, output }) {
  const esbuild = createRequire(join(tools, "package.json"))("esbuild");
  const isQuickJs = engine === "quickjs";
  const made = await esbuild
    .build({
      stdin: {
        contents: [
          `import { exportsOf } from ${JSON.stringify(join(SDK, `dist/component/${engine}.js`))};`,
          `import * as module from ${JSON.stringify(`./${entry}`)};`,
          "const exported = exportsOf(module);",
          "export { exported as function };",
        ].join("\n"),
        resolveDir: project,
        sourcefile: "<component>",
      },
      absWorkingDir: project,
      // Never written; the sources' names are told from its folder.
      outfile: join(project, "bundle.js"),
      write: false,
      allowOverwrite: true,
      bundle: true,
      format: "esm",
      platform: "browser",
      conditions: ["import", "module"],
      target: "es2023",
      // QuickJS runs no jobs of its own promises: async functions must use the SDK's.
      supported: isQuickJs ? { "async-await": false, "async-generator": false, "for-await": false } : {},
      inject: isQuickJs ? [INJECTED] : [],
      define: { "process.env.NODE_ENV": '"production"' },
      external: ["keynet:*", "wasi:*"],
      loader: LOADERS,
      // Without comments, which name folders of the builder, and in ASCII, in which engines count columns alike.
      minifyWhitespace: true,
      legalComments: "none",
      sourcemap: "external",
      sourcesContent: false,
      logLevel: "silent",
      plugins: [resolver(tools)],
    })
    .catch((error) => {
      throw error.errors?.length > 0 ? bundleFailure(error.errors[0]) : error;
    });
  const file = (name) => made.outputFiles.find((each) => each.path === join(project, name)).text;
  const map = JSON.parse(file("bundle.js.map"));
  const hidden = [SDK + sep, tools + sep];
  const sources = map.sources.map((source) => {
    const path = resolve(project, source);
    return source === "<component>" || hidden.some((folder) => path.startsWith(folder)) ? null : source;
  });
  const kept = JSON.stringify(JSON.stringify({ sources, mappings: map.mappings }));
  await writeFile(output, `${file("bundle.js")}\nglobalThis.__keynet_source_map = ${kept};\n`);
}

/** Resolves the SDK to the one beside this file, and what QuickJS lacks to the tools' packages. */
function resolver(tools) {
  const require = createRequire(join(tools, "package.json"));
  return {
    name: "keynet",
    setup(build) {
      build.onResolve({ filter: /^@keynet\/inference($|\/)/ }, ({ path }) => {
        if (path === "@keynet/inference") return { path: join(SDK, "dist/index.js"), sideEffects: false };
        if (path === "@keynet/inference/imaging") return { path: join(SDK, "dist/component/imaging.js") };
        return { errors: [{ text: `${path} is for tests on Node, not for an action`, detail: "module" }] };
      });
      build.onResolve({ filter: /^core-js-pure\// }, ({ path, importer }) =>
        importer === INJECTED ? { path: require.resolve(path), sideEffects: false } : undefined,
      );
      build.onResolve({ filter: /.*/ }, ({ path, kind }) =>
        isBuiltin(path) && kind !== "entry-point" && path.startsWith("node:")
          ? { errors: [{ text: `an action has no ${path}: it is Node's`, detail: "builtin" }] }
          : undefined,
      );
    },
  };
}

function bundleFailure({ text, location, detail, notes }) {
  const at = location ? `${location.file}, line ${location.line}` : "";
  const [, name] = /^Could not resolve "(.*)"$/.exec(text) ?? [];
  if (detail === "builtin" || (name !== undefined && isBuiltin(name))) {
    return new Failure("builtin", at, detail === "builtin" ? text : `an action has no ${name}: it is Node's`);
  }
  if (detail === "module") return new Failure("other", at, text);
  if (name !== undefined) return new Failure(/^[./]/.test(name) ? "file" : "module", at, name);
  if (text.startsWith("Top-level await")) {
    return new Failure("other", at, "`await` outside a function is not possible in an action on QuickJS: await inside the function");
  }
  const line = location ? `\n    ${location.lineText.trim()}\n    ${" ".repeat(indentOf(location))}^` : "";
  return new Failure("syntax", at, `${text}${line}${(notes ?? []).map((note) => `\n${note.text}`).join("")}`);
}

function indentOf({ lineText, column }) {
  const before = Buffer.from(lineText).subarray(0, column).toString();
  return before.trimStart().length;
}

/** Has the engine evaluate the bundle, and writes the component with the memory that this leaves. */
async function componentize({ bundle: path, engine, tools, wit, output }) {
  const source = await readFile(path, "utf8");
  const world = source.includes(PICTURES) ? "component-with-imaging" : "component";
  let component;
  try {
    if (engine === "quickjs") {
      const { componentize: make } = createRequire(join(tools, "package.json"))("componentize-qjs");
      ({ component } = await make({ witPath: wit, world, jsSource: source, sync: true }));
    } else {
      const module = join(tools, "node_modules/@bytecodealliance/componentize-js/src/componentize.js");
      const { componentize: make } = await import(pathToFileURL(module));
      ({ component } = await make({ sourcePath: path, witPath: wit, worldName: world, disableFeatures: ["http", "fetch-event"] }));
    }
  } catch (error) {
    throw evaluationFailure(String(error?.message ?? error), source);
  }
  await writeFile(output, component);
}

/** Returns why the bundle could not be evaluated, in the lines of its sources. */
function evaluationFailure(said, source) {
  const told = said.slice(said.lastIndexOf(MARK));
  if (said.includes(MARK)) return new Failure("action", "", told.slice(MARK.length).split("\n")[0]);
  const map = JSON.parse(JSON.parse(source.slice(source.lastIndexOf("__keynet_source_map = ") + 22).replace(/;\s*$/, "")));
  const frames = userFrames(said, map);
  if (frames.length === 0) return new Failure("tool", "", said);
  const lines = said.split("\n").filter((line) => line.trim() !== "");
  const first = lines.findIndex((line) => userFrames(line, undefined).length > 0);
  const message = lines.slice(0, first).join("\n").replace(/^.*?module: (?=\S+)/s, "").replace(/^.*?module: (?=\S+)/s, "").trim();
  return new Failure("exception", `${frames[0].file}, line ${frames[0].line}`, [message, ...frames.map(frameLine)].join("\n"));
}

const { command, ...options } = JSON.parse(process.argv[2]);
try {
  await { bundle, componentize }[command](options);
  process.stdout.write("{}\n");
} catch (error) {
  const report = error instanceof Failure ? error.report : { kind: "tool", at: "", text: String(error?.stack ?? error) };
  process.stdout.write(`${JSON.stringify({ error: report })}\n`);
}
