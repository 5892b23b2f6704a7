import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { isNamed } from "../src/worker/readers/model";
import { openModelFile } from "../src/worker/readers/open";
import { sitePackagesOf } from "../src/worker/readers/python/imports/sitePackages";
import { PythonModel } from "../src/worker/readers/python/models/pythonModel";
import type { PythonTraced } from "../src/worker/readers/python/trace/trace";
import { difference, encode, encodeCall } from "./filesOurs";

/**
 * `npm run bench:files -- --python INTERPRETER [--json] [--set NAME=NUMBER ...] [--append CODE] FILE[:Class] ...`: reads model files and
 * asks PyTorch about the same classes, made with the same arguments. A class *lists* when its state dict has PyTorch's
 * keys and shapes in PyTorch's order, *traces* when forward becomes a graph, and *matches* when ONNX Runtime's outputs
 * are PyTorch's for the same random weights and inputs. --set replaces a size in the file, on both sides, so that a large
 * model can be run small: `--set emb_dim=64`. Models too large for that are listed alone. --append gives the line that a
 * user would write to say what a class is made with: `--append "model = Net(upscale_factor=3)"`.
 */

interface Row {
  readonly file: string;
  readonly class: string;
  readonly parameters: number | undefined;
  readonly lists: boolean;
  readonly traces: boolean;
  readonly matches: boolean;
  readonly difference?: number;
  readonly ms: number;
  readonly inputs?: string;
  /** Why a column says no. */
  readonly reason?: string;
}

interface Answer {
  readonly state?: readonly [name: string, shape: readonly number[], dtype: string][];
  readonly outputs?: readonly string[];
  readonly refused?: string;
  readonly error?: string;
  readonly failed?: readonly string[];
}

/** Of float32 models: the products are summed in another order. */
const TOLERANCE = 1e-4;
/** Half precision keeps 8 or 11 bits, and rounds at other places in another kernel. */
const HALF_TOLERANCE = 5e-2;
/** Two copies of float32 in memory. */
const MAX_RUN = 250e6;

const here = typeof __dirname === "string" ? __dirname : dirname(fileURLToPath(import.meta.url));

class Subject {
  readonly traced?: PythonTraced;
  readonly whyNot?: string;
  readonly parameters: number | undefined;

  constructor(readonly model: PythonModel) {
    this.parameters = model.root.parameters;
    try {
      this.traced = model.trace();
    } catch (error) {
      this.whyNot = (error as Error).message;
    }
  }

  /** What Python is asked; `error` where it cannot be. */
  async request(): Promise<Record<string, unknown>> {
    const { model, traced } = this;
    const floats = new Set(model.stateDict.filter((e) => !e.buffer && /float/.test(e.dtype)).map((e) => e.dtype));
    return {
      class: model.className,
      arguments: [...model.arguments].map(([name, value]) => [name, encode(value)]),
      inputs: traced?.inputs ?? [],
      call: traced ? await encodeCall(model, traced.example) : null,
      meta: (this.parameters ?? Number.POSITIVE_INFINITY) > MAX_RUN,
      ...(floats.size === 1 && { dtype: [...floats][0] }),
    };
  }

  get isHalf(): boolean {
    return this.model.stateDict.some((e) => e.dtype === "bfloat16" || e.dtype === "float16");
  }
}

interface Options {
  readonly python: string;
  readonly sizes: ReadonlyMap<string, string>;
  readonly appended: string;
}

async function compareFile(given: string, { python, sizes, appended }: Options): Promise<Row[]> {
  const [, path, className] = /^(.*?\.(?:py|ipynb))(?::(\w+))?$/.exec(given) ?? [];
  if (path === undefined) throw new Error(`${given} is neither a .py nor an .ipynb file`);
  const file = resolve(path);
  const text = withCode(withSizes(readFileSync(file, "utf8"), sizes), file, appended);
  const start = performance.now();
  const { models } = await openModelFile(file, text, { packages: sitePackagesOf(python) });
  const ms = performance.now() - start;
  const subjects = models
    // What a file names is made by statements that are not run here: downloads are among them.
    .filter((m): m is PythonModel => m instanceof PythonModel && !isNamed(m))
    .filter((m) => className === undefined || m.className === className)
    .map((m) => new Subject(m));
  const rows: Row[] = [];
  const folder = mkdtempSync(join(tmpdir(), "lora-lens-bench-"));
  try {
    const asked: { subject: Subject; request: Record<string, unknown> }[] = [];
    for (const subject of subjects) {
      try {
        asked.push({ subject, request: await subject.request() });
      } catch (error) {
        rows.push(rowOf(subject, file, ms, { reason: (error as Error).message }));
      }
    }
    const request = join(folder, "request.json");
    writeFileSync(request, JSON.stringify({ file, text, classes: asked.map((a) => a.request) }));
    const { status } = spawnSync(python, [join(here, "files_reference.py"), request, folder], { stdio: "inherit" });
    if (status !== 0) throw new Error(`${python} ended with exit code ${status} at ${file}`);
    for (const [i, { subject }] of asked.entries()) {
      const answer: Answer = JSON.parse(readFileSync(join(folder, `${i}.json`), "utf8"));
      rows.push(await judge(subject, file, ms, answer, join(folder, `${i}.safetensors`)));
    }
    return rows;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The text with other numbers where `name` is given one: `"name": 768`, `name: int = 768`, `name=768`. */
function withSizes(text: string, sizes: ReadonlyMap<string, string>): string {
  let changed = text;
  for (const [name, size] of sizes) {
    const given = new RegExp(`(\\b${name}(?:\\\\?["']\\s*:|\\s*(?::\\s*int\\s*)?=)\\s*)\\d[\\d_]*`, "g");
    changed = changed.replace(given, `$1${size}`);
  }
  return changed;
}

/** The text with a line or a cell of code after it. */
function withCode(text: string, file: string, code: string): string {
  if (code === "") return text;
  if (!file.endsWith(".ipynb")) return `${text}\n${code}\n`;
  const notebook = JSON.parse(text);
  notebook.cells.push({ cell_type: "code", metadata: {}, source: [code] });
  return JSON.stringify(notebook);
}

async function judge(subject: Subject, file: string, ms: number, answer: Answer, tensors: string): Promise<Row> {
  const { model, traced } = subject;
  if (!answer.state) {
    const missing = answer.failed?.length ? ` (not run: ${answer.failed.slice(0, 2).join("; ")})` : "";
    return rowOf(subject, file, ms, { reason: `PyTorch does not construct it: ${answer.error}${missing}` });
  }
  const ours = model.stateDict.map((e) => `${e.path} [${e.shape.join(", ")}]`);
  const theirs = answer.state.map(([name, shape]) => `${name} [${shape.join(", ")}]`);
  const at = [...ours, ...theirs].findIndex((_, i) => ours[i] !== theirs[i]);
  const unlisted = at < 0 ? undefined : `entry ${at} is ${ours[at] ?? "missing"} and not ${theirs[at] ?? "there"}`;
  const problem = model.problems.find((p) => p.severity === "error")?.message;
  if (unlisted !== undefined)
    return rowOf(subject, file, ms, { reason: problem ? `${unlisted}: ${problem}` : unlisted });
  const listed = { lists: true };
  if (!traced) return rowOf(subject, file, ms, { ...listed, reason: subject.whyNot! });
  if (answer.refused !== undefined)
    return rowOf(subject, file, ms, { ...listed, reason: `PyTorch refuses the inputs: ${answer.refused}` });
  if (!existsSync(tensors)) return rowOf(subject, file, ms, { ...listed, reason: "too large to run here" });
  try {
    const apart = await difference(traced, tensors);
    const matches = apart <= (subject.isHalf ? HALF_TOLERANCE : TOLERANCE);
    return rowOf(subject, file, ms, { ...listed, matches, difference: apart });
  } catch (error) {
    return rowOf(subject, file, ms, { ...listed, reason: (error as Error).message });
  }
}

function rowOf({ model, traced, parameters, whyNot }: Subject, file: string, ms: number, found: Partial<Row>): Row {
  const inputs = traced?.inputs.map((s) => `${s.name} ${s.dtype} [${s.shape.join(", ")}]`).join(", ");
  const reason = found.reason ?? whyNot;
  return {
    file,
    class: model.className,
    parameters,
    lists: false,
    traces: traced !== undefined,
    matches: false,
    ms: Math.round(ms),
    ...(traced && { inputs: `${inputs || "none"} (${traced.inputsFrom})` }),
    ...found,
    ...(reason !== undefined && { reason }),
  };
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      python: { type: "string" },
      json: { type: "boolean" },
      append: { type: "string", default: "" },
      set: { type: "string", multiple: true, default: [] },
    },
  });
  if (values.python === undefined) throw new Error("name a Python with torch: --python INTERPRETER");
  const sizes = new Map(values.set.map((s): [string, string] => [s.split("=")[0]!, s.split("=")[1] ?? ""]));
  const rows: Row[] = [];
  for (const given of positionals) {
    const found = await compareFile(given, { python: values.python, sizes, appended: values.append });
    rows.push(...found);
    if (!values.json) process.stdout.write(`${[given, ...found.map(textOf)].join("\n")}\n`);
  }
  const count = (of: (row: Row) => boolean) => rows.filter(of).length;
  const summary = {
    classes: rows.length,
    list: count((r) => r.lists),
    trace: count((r) => r.traces),
    match: count((r) => r.matches),
  };
  process.stdout.write(
    values.json
      ? `${JSON.stringify({ ...summary, rows }, null, 2)}\n`
      : `${summary.classes} classes: ${summary.list} list, ${summary.trace} trace, ${summary.match} match\n`,
  );
  if (rows.length > 0) return;
  throw new Error(`no model class in ${positionals.map((p) => basename(p)).join(", ") || "no file"}`);
}

function textOf(row: Row): string {
  const mark = (yes: boolean, word: string) => (yes ? word : "-").padEnd(word.length);
  const apart = row.difference === undefined ? "" : row.difference.toExponential(1);
  const size = row.parameters === undefined ? "?" : row.parameters.toLocaleString("en");
  const note = row.reason ?? (row.matches ? "" : row.inputs);
  return `  ${row.class.padEnd(28)} ${size.padStart(13)}  ${mark(row.lists, "lists")} ${mark(row.traces, "traces")} ${mark(row.matches, "matches")} ${apart.padEnd(8)} ${note ?? ""}`.trimEnd();
}

void main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
