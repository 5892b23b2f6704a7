import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import type { StepAnswer, StepRequest } from "./ours";

/**
 * `npm run bench [-- --json] [-- --python INTERPRETER]`: a LoRA training step against PyTorch with PEFT on this machine.
 * Runs of the two sides alternate, each in a process of its own a case; the ratio is PyTorch's median step over ours,
 * so above 1 is faster than PyTorch. Peaks are the processes' largest resident sets. Without --python, our side alone.
 */

const here = typeof __dirname === "string" ? __dirname : dirname(fileURLToPath(import.meta.url));

const CASES: readonly { readonly row: string; readonly request: StepRequest; readonly rounds: number }[] = [
  { row: "train 784-512-512-10, batch 32, rank 8", request: step([784, 512, 512, 10], 32, 100), rounds: 9 },
  { row: "train 784-512-512-10, batch 128, rank 8", request: step([784, 512, 512, 10], 128, 60), rounds: 9 },
  { row: "train 784-2048-2048-10, batch 256, rank 8", request: step([784, 2048, 2048, 10], 256, 8), rounds: 9 },
];

function step(sizes: readonly number[], batch: number, steps: number): StepRequest {
  return { sizes, batch, rank: 8, steps, warmup: Math.max(2, Math.floor(steps / 5)) };
}

/** A process that answers one JSON line with one JSON line. */
class Side {
  private readonly lines: Interface;
  private readonly answers: AsyncIterator<string>;

  constructor(private readonly child: ChildProcess) {
    this.lines = createInterface({ input: child.stdout! });
    this.answers = this.lines[Symbol.asyncIterator]();
  }

  async ask(request: object): Promise<StepAnswer> {
    this.child.stdin!.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.answers.next();
    if (done) throw new Error(`${this.child.spawnfile} ended without an answer`);
    const answer: StepAnswer = JSON.parse(value);
    if (answer.error !== undefined) throw new Error(`${this.child.spawnfile}: ${answer.error}`);
    return answer;
  }

  end(): void {
    this.child.stdin!.end();
    this.lines.close();
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

interface Row {
  readonly row: string;
  readonly ratio: number | null;
  readonly oursMs: number;
  readonly theirsMs: number | null;
  readonly oursPeakMB: number;
  readonly theirsPeakMB: number | null;
}

async function measure(
  { row, request, rounds }: (typeof CASES)[number],
  script: string,
  python?: string,
): Promise<Row> {
  const start = (command: string, args: readonly string[]) =>
    new Side(spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] }));
  const ours = start(process.execPath, [script]);
  const theirs = python === undefined ? undefined : start(python, [join(here, "torch_step.py")]);
  const [a, b]: [number[], number[]] = [[], []];
  let [oursPeakMB, theirsPeakMB] = [0, 0];
  for (let round = 0; round < rounds; round++) {
    const mine = await ours.ask(request);
    a.push(...mine.stepMs);
    oursPeakMB = mine.peakMB;
    if (theirs) {
      const other = await theirs.ask({ ...request });
      b.push(...other.stepMs);
      theirsPeakMB = other.peakMB;
    }
  }
  ours.end();
  theirs?.end();
  const oursMs = median(a);
  const theirsMs = theirs ? median(b) : null;
  return {
    row,
    ratio: theirsMs === null ? null : theirsMs / oursMs,
    oursMs,
    theirsMs,
    oursPeakMB,
    theirsPeakMB: theirs ? theirsPeakMB : null,
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { json: { type: "boolean", default: false }, python: { type: "string" } } });
  // Bundled as the product is: a TypeScript loader in the process would count towards its memory.
  const folder = mkdtempSync(join(here, "../node_modules/.cache-lora-lens-bench-"));
  try {
    const script = join(folder, "ours.cjs");
    await build({
      entryPoints: [join(here, "ours.ts")],
      outfile: script,
      bundle: true,
      platform: "node",
      format: "cjs",
      logLevel: "error",
      external: ["onnxruntime-node", "@tensorflow/*", "web-tree-sitter", "tree-sitter-python"],
      logOverride: { "empty-import-meta": "silent" },
    });
    if (!values.json)
      process.stdout.write("row · PyTorch + PEFT over ours (above 1: ours is faster) · ms a step · peak MB\n");
    for (const item of CASES) {
      const row = await measure(item, script, values.python);
      process.stdout.write(`${values.json ? JSON.stringify(row) : text(row)}\n`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function text({ row, ratio, oursMs, theirsMs, oursPeakMB, theirsPeakMB }: Row): string {
  const against = (ours: number, theirs: number | null, digits: number) =>
    theirs === null ? ours.toFixed(digits) : `${ours.toFixed(digits)} against ${theirs.toFixed(digits)}`;
  return `${row} · ${ratio === null ? "no --python" : `${ratio.toFixed(2)}×`} · ${against(oursMs, theirsMs, 2)} · ${against(oursPeakMB, theirsPeakMB, 0)}`;
}

void main().catch((error: Error) => {
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 1;
});
