import { copyFile, cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { type BuildOptions, build, type Metafile, type Plugin } from "esbuild";
import { PARTS, root } from "../build.mjs";
import { ONNXRUNTIME, VENDORED_FILES, VENDORED_MODULES } from "./vendored";

const require = createRequire(import.meta.url);

export interface BundleOptions {
  /** Receives the bundles, and in vendor/ what they share. */
  readonly outdir: string;
  readonly parts: readonly string[];
  /** Whether vendor/ has an ONNX Runtime; else onnxruntime-node is looked for as a package. */
  readonly carriesOnnxruntime: boolean;
}

/** Names stay whole, for the stack in a report of a defect and because errors go by the names of their classes. */
const SMALL: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  minifySyntax: true,
  minifyWhitespace: true,
  metafile: true,
  logLevel: "warning",
};

/** Bundles parts of LoRA Lens so that they need no node_modules. Gives the files that went in, from the root. */
export async function bundleParts({ outdir, parts, carriesOnnxruntime }: BundleOptions): Promise<string[]> {
  const onNode: BuildOptions = {
    plugins: [vendored(carriesOnnxruntime)],
    define: { "require.resolve": "resolvePackaged", CARRIES_ONNXRUNTIME: String(carriesOnnxruntime) },
    inject: [join(root, "scripts/package/resolve.ts")],
    external: ["vscode", ONNXRUNTIME.name, "@tensorflow/tfjs-node-gpu"],
    // What is external is CommonJS: a native import would look for its names in its text.
    supported: { "dynamic-import": false },
  };
  const results = await Promise.all(
    parts.map((name) => {
      const { entry, outfile, options } = PARTS[name]!;
      const place = { entryPoints: [entry], outfile: outfile.replace(/^dist/, outdir) };
      if (options.platform === "browser") return build({ ...options, ...SMALL, ...place, minify: true });
      return build({ ...options, ...SMALL, ...place, ...onNode });
    }),
  );
  return inputsOf(results);
}

/**
 * Puts into a folder what the bundles share, but for ONNX Runtime and the modules named. Gives the files that went in,
 * from the root.
 */
export async function bundleVendored(outdir: string, without: readonly string[] = []): Promise<string[]> {
  await mkdir(outdir, { recursive: true });
  const wanted = Object.entries(VENDORED_MODULES).filter(([name]) => !without.includes(name));
  const bundles = new Map(wanted.map(([, { entry, bundle }]) => [bundle, entry]));
  const results = await Promise.all([...bundles].map(([bundle, entry]) => vendor(entry, join(outdir, bundle))));
  const files = Object.entries(VENDORED_FILES);
  await Promise.all(files.map(([name, file]) => copyFile(require.resolve(name), join(outdir, file))));
  return [...inputsOf(results), ...files.map(([name]) => `node_modules/${name}`)];
}

/**
 * Puts ONNX Runtime into a folder: its bundle and the native files named, of one platform. Without any, a module that
 * says why, as an error of its import.
 */
export async function bundleOnnxruntime(
  outdir: string,
  native: { readonly folder: string; readonly files: readonly string[] } | { readonly missing: string },
): Promise<string[]> {
  const outfile = join(outdir, ONNXRUNTIME.bundle);
  await mkdir(dirname(outfile), { recursive: true });
  if ("missing" in native) {
    await writeFile(outfile, `throw new Error(${JSON.stringify(native.missing)});\n`);
    return [];
  }
  const result = await vendor(ONNXRUNTIME.entry, outfile);
  const from = join(dirname(require.resolve("onnxruntime-node")), "..", "bin", "napi-v6", native.folder);
  const to = join(outdir, ONNXRUNTIME.native, native.folder);
  await mkdir(to, { recursive: true });
  await Promise.all(native.files.map((file) => cp(join(from, file), join(to, file))));
  return inputsOf([result]);
}

async function vendor(entry: string, outfile: string) {
  return build({
    ...SMALL,
    entryPoints: [entry],
    outfile,
    platform: "node",
    target: "node20",
    format: "cjs",
    mainFields: ["module", "main"],
    plugins: [nativeBinding],
    // For browsers and Node.js without fetch.
    external: ["node-fetch", "vscode"],
    minifyIdentifiers: true,
    legalComments: "eof",
    // Modules that ask for their own place get the bundle's.
    define: { "import.meta.url": "importMetaUrl" },
    banner: { js: 'const importMetaUrl = require("node:url").pathToFileURL(__filename).href;' },
    // Text that holds bytes is a third longer in escapes.
    charset: "utf8",
  });
}

/** Leaves onnxruntime-node's `require` of its native code as it is, to be resolved where the bundle lies. */
const nativeBinding: Plugin = {
  name: "native binding",
  setup({ onLoad }) {
    onLoad({ filter: /onnxruntime-node[/\\]dist[/\\]binding\.js$/ }, async ({ path }) => {
      const text = await readFile(path, "utf8");
      const call = "require(`../bin/";
      if (!text.includes(call)) throw new Error(`${path} does not load its binding as it did; see ${import.meta.url}`);
      return {
        contents: text.replace(call, "(module => module.createRequire(__filename))(require('node:module'))(`../bin/"),
      };
    });
  },
};

/** Imports of what vendor/ has lead there. */
function vendored(carriesOnnxruntime: boolean): Plugin {
  const bundles = new Map(Object.entries(VENDORED_MODULES).map(([name, { bundle }]) => [name, bundle]));
  if (carriesOnnxruntime) bundles.set(ONNXRUNTIME.name, ONNXRUNTIME.bundle);
  return {
    name: "vendored packages",
    setup({ onResolve }) {
      onResolve({ filter: /^[@\w]/ }, ({ path }) =>
        bundles.has(path) ? { path: `./vendor/${bundles.get(path)}`, external: true } : undefined,
      );
    },
  };
}

function inputsOf(results: readonly { readonly metafile?: Metafile }[]): string[] {
  return results.flatMap(({ metafile }) =>
    // What a bundle keeps of an input counts, not what it looked at.
    Object.values(metafile!.outputs).flatMap(({ inputs }) =>
      Object.keys(inputs).filter((path) => inputs[path]!.bytesInOutput > 0),
    ),
  );
}
