import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { bundleForHost } from "../scripts/build.mjs";
import { ReaderMemory } from "../src/worker/readers/memory";
import { type Model, walkModules } from "../src/worker/readers/model";
import { sitePackagesOf } from "../src/worker/readers/python/imports/sitePackages";

/**
 * `npm run bench:transformers -- --python INTERPRETER [--json] [--reference FILE] [MODEL ...]`: reads every modeling file
 * of the interpreter's transformers package, each class with its default configuration, and compares the Linear layers
 * (path, in, out, bias) with those that PyTorch itself makes on the meta device. A file is right when all of its classes
 * are. PyTorch takes some ten minutes; --reference keeps what it said for the next time.
 */

type Layer = readonly [path: string, inFeatures: number | null, outFeatures: number | null, bias: boolean | null];

interface Expected {
  readonly file: string;
  readonly classes: Readonly<Record<string, readonly Layer[]>>;
  readonly refused: Readonly<Record<string, string>>;
  readonly error?: string;
  readonly version: string;
}

interface Row {
  readonly file: string;
  readonly right: number;
  readonly classes: number;
  readonly ms: number;
  /** Of the first class that differs. */
  readonly reason?: string;
}

const here = typeof __dirname === "string" ? __dirname : dirname(fileURLToPath(import.meta.url));

async function reference(python: string, file: string, models: readonly string[]): Promise<Expected[]> {
  const child = spawn(python, [join(here, "transformers_reference.py"), file, ...models], { stdio: "inherit" });
  const code = await new Promise<number | null>((done, fail) => child.on("error", fail).on("exit", done));
  if (code !== 0) throw new Error(`${python} ended with exit code ${code}`);
  const rows = readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line): Expected => JSON.parse(line));
  return models.length === 0 ? rows : rows.filter((row) => models.includes(row.file.split("/")[0]!));
}

function linearLayers(model: Model): Layer[] {
  return [...walkModules(model.root)]
    .filter(
      (m) => m.kind === "Linear" || m.kind === "NonDynamicallyQuantizableLinear" || m.weight?.fanInFanOut === false,
    )
    .map((m) => [m.path, m.inFeatures ?? null, m.outFeatures ?? null, m.bias ?? null]);
}

type Open = typeof import("../src/worker/readers/open").openModelFile;

/** The readers, bundled as the product is: a TypeScript loader makes them a fifth slower. */
async function bundledReaders(): Promise<Open> {
  const folder = join(here, "../dist/bench");
  await bundleForHost(["src/worker/readers/open.ts"], folder);
  return createRequire(join(folder, "open.js"))("./open.js").openModelFile;
}

/** As in the editor, where one thread reads file after file. */
const memory = new ReaderMemory();

async function compare(expected: Expected, root: string, open: Open): Promise<Row> {
  const names = Object.keys(expected.classes);
  const start = performance.now();
  const { models } = await open(join(root, "transformers", "models", expected.file), undefined, {
    packages: [root],
    memory,
  });
  const ms = performance.now() - start;
  let right = 0;
  let reason: string | undefined;
  for (const name of names) {
    const model = models.find((m) => m.className === name);
    const layers = model ? linearLayers(model) : [];
    if (JSON.stringify(layers) === JSON.stringify(expected.classes[name])) right++;
    else reason ??= `${name}: ${whyNot(model, layers, expected.classes[name]!)}`;
  }
  return { file: expected.file, right, classes: names.length, ms, ...(reason !== undefined && { reason }) };
}

function whyNot(model: Model | undefined, layers: readonly Layer[], expected: readonly Layer[]): string {
  if (!model) return "it is not among the file's models";
  const problem = model.problems.find((p) => p.severity === "error") ?? model.problems[0];
  if (problem) return problem.message;
  const at = expected.findIndex((layer, i) => JSON.stringify(layer) !== JSON.stringify(layers[i]));
  return at < 0
    ? `${layers.length - expected.length} layers too many`
    : `layer ${at} is ${JSON.stringify(layers[at])} and not ${JSON.stringify(expected[at])}, and no problem says so`;
}

/** The reason without the names of one file, so that equal ones are counted together. */
function kindOf(reason: string): string {
  return reason
    .replace(/^\w+: /, "")
    .replace(/^layer .*/, "other layers, and no problem says so")
    .replace(/'?\b[A-Z][a-z0-9]\w*(Config|Model|Attention|Layer|Encoder|Decoder)\b'?/g, "…");
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { python: { type: "string" }, json: { type: "boolean" }, reference: { type: "string" } },
  });
  if (values.python === undefined) throw new Error("name a Python with transformers and torch: --python INTERPRETER");
  const root = sitePackagesOf(values.python)[0];
  if (root === undefined) throw new Error(`no installed packages were found for ${values.python}`);
  const folder = mkdtempSync(join(tmpdir(), "lora-lens-bench-"));
  try {
    const all = await reference(values.python, values.reference ?? join(folder, "reference.jsonl"), positionals);
    const open = await bundledReaders();
    const rows: Row[] = [];
    for (const expected of all) {
      if (Object.keys(expected.classes).length > 0) rows.push(await compare(expected, root, open));
    }
    print(rows, all, values.json ?? false);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function print(rows: readonly Row[], all: readonly Expected[], json: boolean): void {
  const right = rows.filter((r) => r.right === r.classes).length;
  const partly = rows.filter((r) => r.right > 0 && r.right < r.classes).length;
  const classes = rows.reduce((sum, r) => sum + r.classes, 0);
  const classesRight = rows.reduce((sum, r) => sum + r.right, 0);
  const times = rows.map((r) => r.ms).sort((a, b) => a - b);
  const slowest = [...rows].sort((a, b) => b.ms - a.ms).slice(0, 5);
  const refused = all.filter((e) => Object.keys(e.classes).length === 0);
  const summary = {
    transformers: all[0]?.version,
    files: rows.length,
    right,
    partly,
    failed: rows.length - right - partly,
    classes,
    classesRight,
    /** PyTorch constructs none of their classes with default configurations, or they have none. */
    notCompared: refused.length,
    medianMs: Math.round(times[times.length >> 1] ?? 0),
    overOneSecond: times.filter((ms) => ms > 1000).length,
  };
  if (json) {
    process.stdout.write(`${JSON.stringify({ ...summary, rows }, null, 2)}\n`);
    return;
  }
  const reasons = new Map<string, Row[]>();
  for (const row of rows) {
    if (row.reason === undefined) continue;
    const kind = kindOf(row.reason);
    reasons.set(kind, [...(reasons.get(kind) ?? []), row]);
  }
  const lines = [
    `transformers ${summary.transformers}: ${rows.length} files, ${right} right (${((100 * right) / rows.length).toFixed(1)} %), ${partly} partly right, ${summary.failed} failed`,
    `classes: ${classesRight} of ${classes} right; ${refused.length} files have no class that PyTorch constructs with defaults`,
    `median ${summary.medianMs} ms a file; over 1 s: ${summary.overOneSecond}; slowest: ${slowest.map((r) => `${r.file} ${Math.round(r.ms)} ms`).join(", ")}`,
    "",
    ...[...reasons]
      .sort((a, b) => b[1].length - a[1].length)
      .map(([kind, of]) => `${String(of.length).padStart(4)}  ${kind}  (${of[0]!.file})`),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

void main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
