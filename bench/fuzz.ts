import { fork } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { SEED } from "../test/fuzz/mutations";
import { TARGETS } from "../test/fuzz/targets";
import type { FuzzMessage, FuzzOrder } from "./fuzzTarget";

/**
 * `npm run fuzz -- [--seconds N | --runs N] [--seed S] [--only NAME]`: damaged files for every reader, each target in a
 * process of its own, so that one that hangs, dies or outgrows its memory is a finding like any other. Seconds and runs
 * are those of each target. Prints the findings with the smallest input that shows each; exits with 1 when there is one.
 */

/** An input takes milliseconds; with the evaluator's steps bounded as in the tests nothing may come near this. */
const HANG_MS = 30_000;
const HEAP_MB = 2048;

interface Row {
  readonly name: string;
  inputs: number;
  slowestMs: number;
  slowest: string;
  peakRssMb: number;
  readonly findings: { readonly what: string; readonly input: string }[];
}

function shown(input: Buffer, binary: boolean): string {
  return binary ? `base64:${input.toString("base64")}` : input.toString("utf8");
}

/** Runs one target until its share is done; a process that ended early is followed by another with the next seed. */
async function fuzz(name: string, order: Omit<FuzzOrder, "current" | "target">): Promise<Row> {
  const row: Row = { name, inputs: 0, slowestMs: 0, slowest: "", peakRssMb: 0, findings: [] };
  const folder = mkdtempSync(path.join(tmpdir(), "lora-lens-fuzz-"));
  const current = path.join(folder, "current");
  const end = order.seconds === undefined ? Number.POSITIVE_INFINITY : Date.now() + order.seconds * 1000;
  try {
    for (let seed = order.seed; row.inputs < (order.runs ?? Number.POSITIVE_INFINITY) && Date.now() < end; seed++) {
      const left = {
        ...(order.runs !== undefined && { runs: order.runs - row.inputs }),
        ...(order.seconds !== undefined && { seconds: (end - Date.now()) / 1000 }),
      };
      const early = await inProcess({ target: name, seed, current, ...left }, row);
      if (early === undefined) break;
      const binary = row.findings.length >= 0 && /^(?:pickle|npy|npz|pt|safe|h5|keras$|keras-[cw])/.test(name);
      row.findings.push({ what: early, input: shown(readFileSync(current), binary) });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return row;
}

/** Resolves with why the process ended before its time, or undefined when it came to its end. */
function inProcess(order: FuzzOrder, row: Row): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const execArgv = ["--import", "tsx", `--max-old-space-size=${HEAP_MB}`];
    const child = fork(path.join(__dirname, "fuzzTarget.ts"), [JSON.stringify(order)], { execArgv });
    let finished = false;
    let hung = false;
    let timer: NodeJS.Timeout | undefined;
    const watch = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        hung = true;
        child.kill("SIGKILL");
      }, HANG_MS);
    };
    watch();
    const before = row.inputs;
    child.on("message", (message: FuzzMessage) => {
      watch();
      if (message.type === "progress") {
        row.inputs = before + message.inputs;
        row.peakRssMb = Math.max(row.peakRssMb, message.peakRssMb);
        if (message.slowestMs > row.slowestMs) [row.slowestMs, row.slowest] = [message.slowestMs, message.slowest];
      } else if (message.type === "finding") {
        row.findings.push(message);
        process.stdout.write(`\n${row.name}: ${message.what}\n--- input\n${message.input}\n---\n`);
      } else finished = true;
    });
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      clearTimeout(timer);
      // The input that it ended with was one more.
      if (!finished) row.inputs++;
      const ended = hung ? `no answer for ${HANG_MS / 1000} s` : `the process ended (${signal ?? `exit code ${code}`})`;
      resolve(finished ? undefined : ended);
    });
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string" },
      runs: { type: "string" },
      seed: { type: "string", default: String(SEED) },
      only: { type: "string" },
    },
  });
  const number = (name: "seconds" | "runs" | "seed") => {
    const value = values[name];
    if (value === undefined) return undefined;
    if (!/^\d+$/.test(value)) throw new Error(`--${name} ${value} is not a whole number`);
    return Number(value);
  };
  const chosen = TARGETS.filter(({ name }) => values.only === undefined || values.only.split(",").includes(name));
  if (chosen.length === 0) {
    throw new Error(`--only ${values.only}: there are ${TARGETS.map(({ name }) => name).join(", ")}`);
  }
  const [seconds, runs, seed] = [number("seconds"), number("runs"), number("seed")!];
  const rows: Row[] = [];
  for (const { name } of chosen) {
    const share = seconds === undefined ? { runs: runs ?? 1000 } : { seconds, ...(runs !== undefined && { runs }) };
    const row = await fuzz(name, { seed, ...share });
    rows.push(row);
    const { inputs, slowestMs, peakRssMb, findings } = row;
    process.stdout.write(
      `${name.padEnd(20)} ${String(inputs).padStart(8)} inputs, ${findings.length} findings, slowest ${slowestMs.toFixed(0)} ms, peak RSS ${peakRssMb.toFixed(0)} MB\n`,
    );
    for (const { what, input } of findings)
      if (/^(no answer|the process)/.test(what)) {
        process.stdout.write(`\n${name}: ${what}\n--- input, not shrunk\n${input}\n---\n`);
      }
  }
  const total = rows.reduce((sum, { inputs }) => sum + inputs, 0);
  const found = rows.reduce((sum, { findings }) => sum + findings.length, 0);
  const slowest = rows.reduce((a, b) => (b.slowestMs > a.slowestMs ? b : a));
  process.stdout.write(
    `\nslowest of all: ${slowest.name}, ${slowest.slowestMs.toFixed(0)} ms\n${slowest.slowest.slice(0, 3000)}\n\n${total} inputs, ${found} findings, seed ${seed}\n`,
  );
  if (found > 0) process.exitCode = 1;
}

void main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
});
