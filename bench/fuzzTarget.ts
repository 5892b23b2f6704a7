import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import fc from "fast-check";
import { attempt, type Input, TARGETS } from "../test/fuzz/targets";

/** The process that fuzzes one target for `bench/fuzz.ts`. */

export interface FuzzOrder {
  readonly target: string;
  readonly seed: number;
  readonly runs?: number;
  readonly seconds?: number;
  /** Where each input is written before it is read: all that is left when the process dies. */
  readonly current: string;
}

export type FuzzMessage =
  | {
      readonly type: "progress";
      readonly inputs: number;
      readonly slowestMs: number;
      readonly slowest: string;
      readonly peakRssMb: number;
    }
  | { readonly type: "finding"; readonly what: string; readonly input: string }
  | { readonly type: "end" };

/** Inputs between two looks at the clock; a finding ends its batch. */
const BATCH = 250;
/** A thousand times what an input usually takes. */
const SLOW_MS = 5000;
/** Ours and the grammars' take some 300 MB, the corpus included. */
const MAX_RSS_MB = 1500;
/** Findings with the same message and place in the code are one. */
const MAX_FINDINGS = 20;

function shown(input: Input): string {
  return typeof input === "string" ? input : `base64:${Buffer.from(input).toString("base64")}`;
}

function told(message: FuzzMessage): Promise<void> {
  return new Promise((resolve, reject) =>
    process.send!(message, (error: Error | null) => (error ? reject(error) : resolve())),
  );
}

async function main(order: FuzzOrder): Promise<void> {
  const target = TARGETS.find(({ name }) => name === order.target)!;
  const folder = mkdtempSync(path.join(tmpdir(), `lora-lens-fuzz-${target.name}-`));
  const arbitrary = await target.inputs();
  const end = order.seconds === undefined ? Number.POSITIVE_INFINITY : Date.now() + order.seconds * 1000;
  const known = new Set<string>();
  let [inputs, slowestMs, slowest, peakRssMb] = [0, 0, "", 0];
  const read = async (input: Input): Promise<void> => {
    inputs++;
    writeFileSync(order.current, input);
    const start = performance.now();
    try {
      await attempt(target, input, folder);
    } catch (error) {
      if (!known.has(signature(error))) throw error;
    }
    const ms = performance.now() - start;
    if (ms > slowestMs) [slowestMs, slowest] = [ms, shown(input)];
    const rss = process.memoryUsage.rss() / 2 ** 20;
    peakRssMb = Math.max(peakRssMb, rss);
    if (ms > SLOW_MS && !known.has("slow")) throw new Error(`slow: it took ${(ms / 1000).toFixed(1)} s`);
    if (rss > MAX_RSS_MB && !known.has("memory")) throw new Error(`memory: the process has ${rss.toFixed(0)} MB`);
  };
  const progress = () => told({ type: "progress", inputs, slowestMs, slowest: slowest.slice(0, 20_000), peakRssMb });
  for (let seed = order.seed; inputs < (order.runs ?? Number.POSITIVE_INFINITY) && Date.now() < end; seed += 7919) {
    const numRuns = Math.min(BATCH, (order.runs ?? Number.POSITIVE_INFINITY) - inputs);
    const interruptAfterTimeLimit = Math.max(1, Math.min(end - Date.now(), 2 ** 30));
    const result = await fc.check(fc.asyncProperty(arbitrary, read), { numRuns, seed, interruptAfterTimeLimit });
    if (result.failed && result.counterexample) {
      const error = result.errorInstance;
      known.add(signature(error));
      const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
      await told({ type: "finding", what: what.slice(0, 4000), input: shown(result.counterexample[0]) });
      if (known.size >= MAX_FINDINGS) break;
    }
    await progress();
  }
  await progress();
  rmSync(folder, { recursive: true, force: true });
  await told({ type: "end" });
}

/** The message without its numbers and names, and the place it comes from. */
function signature(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (/^(slow|memory):/.test(error.message)) return error.message.split(":")[0]!;
  const message = error.message.split("\n")[0]!.replaceAll(/\d+|"[^"]*"|'[^']*'/g, "…");
  const place = /\n\s+at .*(?:src|node_modules)\/.*/.exec(error.stack ?? "")?.[0] ?? "";
  return `${message}${message.includes("defect") ? "" : place}`;
}

void main(JSON.parse(process.argv[2]!) as FuzzOrder).catch((error: Error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exitCode = 2;
  process.disconnect?.();
});
