import { spawn } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { toFloat32 } from "../src/worker/formats/convert";
import { UserError } from "../src/worker/formats/errors";
import { readNpz } from "../src/worker/formats/numpy/npz";
import { loadTensor, readHeader, writeSafetensors } from "../src/worker/formats/safetensors";
import { float32, type StoredTensor, type Tensor } from "../src/worker/formats/tensor";
import { planAdapter } from "../src/worker/jobs/adapter";
import { merge } from "../src/worker/jobs/export/merge";
import { forward } from "../src/worker/jobs/forward/forward";
import { openModel } from "../src/worker/jobs/opened";
import { saveAdapter } from "../src/worker/lora/adapter/adapterFiles";
import { initializeAdapter } from "../src/worker/lora/init/initialize";
import { weightOf } from "../src/worker/lora/targets/layer";
import { sitePackagesOf } from "../src/worker/readers/python/imports/sitePackages";

/**
 * `npm run bench:checkpoints -- --python INTERPRETER [--folder FOLDER] [TYPE ...]`: tiny checkpoints, saved by the
 * interpreter's transformers, of every model type whose keys it converts as it loads. Each is read as `from_pretrained`
 * reads it and compared tensor by tensor and in its outputs with PyTorch's; an adapter is merged into it, and what
 * transformers loads of the merged folder is compared with the sum. --folder keeps the checkpoints for the next time.
 */

interface About {
  readonly class: string;
  readonly runs: true | string;
}

interface Row {
  readonly type: string;
  /** Tensors that differ from PyTorch's, or why none was read. */
  loaded: string;
  /** Largest difference of an output, relative to its size. */
  outputs: string;
  merged: string;
  ms: number;
}

const here = typeof __dirname === "string" ? __dirname : dirname(fileURLToPath(import.meta.url));
const SCRIPT = join(here, "checkpoints_reference.py");

async function run(python: string, args: readonly string[], line: (text: string) => void): Promise<void> {
  const child = spawn(python, [SCRIPT, ...args], { stdio: ["ignore", "pipe", "ignore"] });
  createInterface({ input: child.stdout }).on("line", line);
  const code = await new Promise<number | null>((done, fail) => child.on("error", fail).on("exit", done));
  if (code !== 0) throw new Error(`${python} ended with exit code ${code}`);
}

const note = (error: unknown): string =>
  error instanceof UserError ? `refused: ${error.message}` : `DEFECT: ${error instanceof Error ? error.stack : error}`;

async function values(tensors: ReadonlyMap<string, StoredTensor>): Promise<Map<string, Float32Array>> {
  const read = new Map<string, Float32Array>();
  for (const [name, tensor] of tensors) read.set(name, toFloat32(await loadTensor(tensor)));
  return read;
}

async function compareType(folder: string, type: string, packages: readonly string[]): Promise<Row> {
  const at = (name: string) => join(folder, type, name);
  const about: About = JSON.parse(readFileSync(at("about.json"), "utf8"));
  writeFileSync(
    at("model.py"),
    `from transformers import ${about.class}\nmodel = ${about.class}.from_pretrained(${JSON.stringify(join(folder, type))})\n`,
  );
  const row: Row = { type, loaded: "", outputs: "", merged: "", ms: 0 };
  const choice = { file: at("model.py"), class: "model", packages };
  const started = performance.now();
  try {
    const opened = await openModel(choice);
    row.ms = performance.now() - started;
    const expected = await values((await readHeader(at("loaded.safetensors"))).tensors);
    const found = await values(opened.values);
    const differ = [...expected].filter(([name, data]) => !same(found.get(name), data)).map(([name]) => name);
    const more = [...found.keys()].filter((name) => !expected.has(name));
    row.loaded =
      differ.length + more.length === 0
        ? "right"
        : `${differ.length} differ, ${more.length} more: ${differ[0] ?? more[0]}`;
    if (opened.weights.notes.length > 0) row.loaded += ` (${opened.weights.notes.join(" ")})`;
  } catch (error) {
    row.loaded = note(error);
    return row;
  }
  row.outputs = about.runs === true ? await compareOutputs(at, choice) : "PyTorch's does not run on plain inputs";
  try {
    await mergeInto(at, choice);
  } catch (error) {
    row.merged = note(error);
  }
  return row;
}

function same(a: Float32Array | undefined, b: Float32Array): boolean {
  return a?.length === b.length && b.every((v, i) => v === a[i]);
}

async function compareOutputs(at: (name: string) => string, model: { file: string }): Promise<string> {
  try {
    const never = new AbortController().signal;
    await forward(
      {
        kind: "run",
        model,
        sample: { file: at("inputs.npz") },
        output: at("ours.npz"),
        engine: "onnxruntime-cpu",
      },
      { onProgress: () => undefined, signal: never, stop: never },
    );
    const [ours, theirs] = [await readNpz(at("ours.npz")), await readNpz(at("outputs.npz"))];
    let worst = 0;
    let compared = 0;
    for (const [name, tensor] of theirs) {
      const mine = ours.get(`output_${name}`) ?? (theirs.size === 1 ? ours.get("output") : undefined);
      if (!mine) continue;
      const [x, y] = [toFloat32(mine), toFloat32(tensor)];
      const size = y.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-30);
      compared++;
      y.forEach((v, i) => {
        worst = Math.max(worst, Math.abs(v - x[i]!) / size);
      });
    }
    return compared === 0
      ? `none of ${[...theirs.keys()].join(", ")} among ${[...ours.keys()].join(", ")}`
      : worst.toExponential(1);
  } catch (error) {
    return note(error);
  }
}

/** Merges an adapter on all linear layers and writes what the result should be. */
async function mergeInto(at: (name: string) => string, model: { file: string }): Promise<void> {
  const opened = await openModel(model);
  const planned = planAdapter(opened.model, { r: 2 });
  const tied = new Set(
    opened.model.stateDict.flatMap(({ path, tiedTo }) => (tiedTo === undefined ? [] : [path, tiedTo])),
  );
  const layers = planned.layers.filter(({ layer }) => !tied.has(weightOf(layer).path));
  const tensors = await initializeAdapter(layers, false, 1);
  const config = { ...planned.config, target_modules: layers.map(({ layer }) => layer.path) };
  await saveAdapter(at("adapter"), config, tensors);
  rmSync(at("merged"), { recursive: true, force: true });
  mkdirSync(at("merged"));
  const signal = new AbortController().signal;
  await merge(
    { kind: "merge", model, adapterFolder: at("adapter"), output: at("merged/model.safetensors") },
    { onProgress: () => {}, signal, stop: signal },
  );
  copyFileSync(at("config.json"), at("merged/config.json"));
  const { tensors: refs } = await readHeader(at("loaded.safetensors"));
  const expected = new Map<string, Tensor>();
  for (const [name, ref] of refs) expected.set(name, await loadTensor(ref));
  for (const { layer, scaling } of layers) {
    const { path, fanInFanOut } = weightOf(layer);
    const weight = toFloat32(expected.get(path)!).slice();
    const [a, b] = ["lora_A", "lora_B"].map((name) => toFloat32(tensors.get(`${layer.path}.${name}.weight`)!)) as [
      Float32Array,
      Float32Array,
    ];
    const { inFeatures: n, outFeatures: m } = layer;
    for (let o = 0; o < m; o++)
      for (let i = 0; i < n; i++) {
        let sum = 0;
        for (let r = 0; r < config.r; r++) sum += b[o * config.r + r]! * a[r * n + i]!;
        weight[fanInFanOut ? i * m + o : o * n + i]! += scaling * sum;
      }
    expected.set(path, float32(expected.get(path)!.shape, weight));
  }
  await writeSafetensors(at("expected.safetensors"), expected);
}

async function main(): Promise<void> {
  const { values: options, positionals } = parseArgs({
    allowPositionals: true,
    options: { python: { type: "string" }, folder: { type: "string" }, json: { type: "boolean" } },
  });
  const { python } = options;
  if (python === undefined) throw new Error("name a Python with transformers and torch: --python INTERPRETER");
  const packages = sitePackagesOf(python);
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), "lora-lens-bench-"));
  try {
    const left: string[] = [];
    if (!existsSync(folder) || readdirSync(folder).length === 0)
      await run(python, [folder, ...positionals], (line) => line.includes(": ! ") && left.push(line));
    const types = readdirSync(folder).filter((type) => existsSync(join(folder, type, "about.json")));
    const rows: Row[] = [];
    for (const type of types) {
      if (positionals.length > 0 && !positionals.includes(type)) continue;
      rows.push(await compareType(folder, type, packages));
      process.stderr.write(`\r${rows.length} of ${types.length} ${type}\x1b[K`);
    }
    const byType = new Map(rows.map((row) => [row.type, row]));
    await run(python, ["--check", folder, ...positionals], (line) => {
      const { type, error, missing, unexpected, worst } = JSON.parse(line);
      const row = byType.get(type);
      if (row?.merged !== "") return;
      const wrong = [...(missing ?? []), ...(unexpected ?? [])];
      row.merged =
        error ??
        (wrong.length > 0
          ? `${wrong.length} keys missing or left over: ${wrong[0]}`
          : worst < 1e-5
            ? "right"
            : `differs by ${worst}`);
    });
    print(rows, left, options.json ?? false);
  } finally {
    if (options.folder === undefined) rmSync(folder, { recursive: true });
  }
}

function print(rows: readonly Row[], left: readonly string[], json: boolean): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ rows, left }, null, 2)}\n`);
    return;
  }
  const close = (text: string) => Number(text) < 1e-4;
  const count = (test: (row: Row) => boolean) => rows.filter(test).length;
  const lines = [
    "",
    `${rows.length} checkpoints: ${count((r) => r.loaded === "right")} loaded as PyTorch loads them; outputs within 1e-4 of ${count((r) => close(r.outputs))}; ${count((r) => r.merged === "right")} merged and loaded by transformers`,
    ...rows
      .filter((r) => r.loaded !== "right" || !close(r.outputs) || r.merged !== "right")
      .map((r) => `${r.type}: ${r.loaded} · outputs ${r.outputs} · merged ${r.merged}`.slice(0, 400)),
    ...left.map((line) => `not made: ${line}`),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

void main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 1;
});
