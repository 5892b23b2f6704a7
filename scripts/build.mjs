/**
 * Bundles the parts of LoRA Lens into dist/.
 *
 *   node scripts/build.mjs [--watch] [PART …]
 *
 * Plain JavaScript, because bin/lora-lens.mjs runs it in a checkout without any loader.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { build as bundle, context } from "esbuild";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Packages with native code or WebAssembly of their own: loaded from node_modules when needed, never bundled. */
const KEPT_IN_NODE_MODULES = [
  "onnxruntime-node",
  "@tensorflow/*",
  "web-tree-sitter",
  "tree-sitter-python",
  "tree-sitter-typescript",
  "h5wasm",
];

/** @type {import("esbuild").BuildOptions} */
const forNode = {
  platform: "node",
  target: "node20",
  format: "cjs",
  external: ["vscode", ...KEPT_IN_NODE_MODULES],
  // Several dependencies' ES modules are what bundles best; their UMD entries hide `require` from the bundler.
  mainFields: ["module", "main"],
};

/** @type {import("esbuild").BuildOptions} */
const forPages = { platform: "browser", target: "chrome128", format: "iife", legalComments: "linked" };

/** @type {Record<string, { entry: string; outfile: string; options: import("esbuild").BuildOptions }>} */
export const PARTS = {
  extension: { entry: "src/extension/extension.ts", outfile: "dist/extension.js", options: forNode },
  worker: {
    entry: "src/worker/main.ts",
    outfile: "dist/worker.js",
    options: { ...forNode, banner: { js: "#!/usr/bin/env node" } },
  },
  compute: { entry: "src/worker/compute.ts", outfile: "dist/compute.js", options: forNode },
  reading: { entry: "src/worker/server/reading/main.ts", outfile: "dist/reading.js", options: forNode },
  report: { entry: "media/report/main.ts", outfile: "dist/media/report.js", options: forPages },
  style: { entry: "media/report/report.css", outfile: "dist/media/report.css", options: forPages },
};

/** @typedef {{ parts?: readonly string[]; watch?: boolean; log?: (line: string) => void }} BuildOptions */

/**
 * Bundles the named parts, or all. Throws an Error whose message is one plain line when an entry file is missing or a
 * part's name is unknown; esbuild prints the errors it finds itself.
 *
 * @param {BuildOptions} [options]
 */
export async function build({ parts = Object.keys(PARTS), watch = false, log = () => {} } = {}) {
  const chosen = parts.map((name) => {
    const part = PARTS[name];
    if (!part) throw new Error(`there is no part "${name}" to build; the parts are ${Object.keys(PARTS).join(", ")}`);
    return part;
  });
  const missing = chosen.filter(({ entry }) => !existsSync(join(root, entry))).map(({ entry }) => entry);
  if (missing.length > 0) throw new Error(`cannot build: entry file missing: ${missing.join(", ")}`);

  const started = performance.now();
  await Promise.all(
    chosen.map(async ({ entry, outfile, options }) => {
      /** @type {import("esbuild").BuildOptions} */
      const settings = {
        ...options,
        absWorkingDir: root,
        entryPoints: [entry],
        outfile,
        bundle: true,
        sourcemap: true,
        minify: options.platform === "browser",
        logLevel: watch ? "info" : "warning",
      };
      if (watch) await (await context(settings)).watch();
      else await bundle(settings);
    }),
  );
  if (!watch) log(`built ${chosen.length} parts in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

/**
 * Bundles test files that run inside VS Code's extension host, one bundle each.
 *
 * @param {readonly string[]} entries
 * @param {string} outdir
 */
export async function bundleForHost(entries, outdir) {
  await bundle({
    ...forNode,
    external: [...(forNode.external ?? []), "mocha"],
    absWorkingDir: root,
    entryPoints: [...entries],
    outdir,
    bundle: true,
    sourcemap: "inline",
    logLevel: "warning",
  });
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { watch: { type: "boolean", default: false } },
  });
  build({
    ...(positionals.length > 0 ? { parts: positionals } : {}),
    watch: values.watch,
    log: (line) => process.stdout.write(`${line}\n`),
  }).catch((error) => {
    // esbuild has printed its own errors with their places.
    if (!("errors" in error)) process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  });
}
