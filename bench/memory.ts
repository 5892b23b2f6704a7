import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { analyze } from "../src/worker/jobs/analyze/analyze";
import type { MemoryRequest } from "./memoryOurs";

/**
 * `npm run bench:memory`: what a training step takes, as estimated, as PyTorch with PEFT allocates
 * (test/fixtures/memory/measured.json, by make_memory.py), and by how much our own process grows. Linux only.
 */

const here = typeof __dirname === "string" ? __dirname : dirname(fileURLToPath(import.meta.url));
const fixtures = join(here, "../test/fixtures/memory");
const signal = new AbortController().signal;
const context = { onProgress: () => {}, signal, stop: signal };

async function main(): Promise<void> {
  const folder = mkdtempSync(join(here, "../node_modules/.cache-lora-lens-bench-"));
  try {
    const script = join(folder, "memoryOurs.cjs");
    await build({
      entryPoints: [join(here, "memoryOurs.ts")],
      outfile: script,
      bundle: true,
      platform: "node",
      format: "cjs",
      logLevel: "error",
      external: ["onnxruntime-node", "@tensorflow/*", "web-tree-sitter", "tree-sitter-python", "h5wasm"],
      logOverride: { "empty-import-meta": "silent" },
    });
    process.stdout.write("model · method · batch · estimate, PyTorch with PEFT, ours (MB)\n");
    const rows: (MemoryRequest & { readonly bytes: number })[] = JSON.parse(
      readFileSync(join(fixtures, "measured.json"), "utf8"),
    );
    for (const { bytes, ...row } of rows) {
      const { file, batch, sequence, targets, method } = { ...row, file: join(fixtures, row.file) };
      const { memory } = await analyze(
        {
          kind: "analyze",
          model: { file, class: "Net" },
          adapter: { r: 8, target_modules: [...targets] },
          batch,
          ...(sequence !== undefined && { sequence }),
        },
        context,
      );
      const estimate = memory!.methods.find((m) => m.method === method && (m.rank ?? 8) === 8)!;
      const ours = Number(execFileSync(process.execPath, ["--expose-gc", script, JSON.stringify({ ...row, file })]));
      const numbers = [estimate.total, bytes, ours].map((value) => (value / 1e6).toFixed(1)).join(", ");
      process.stdout.write(
        `${row.file} · ${method} · ${batch}${sequence === undefined ? "" : ` × ${sequence}`} · ${numbers}\n`,
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

void main().catch((error: Error) => {
  process.stderr.write(`bench:memory: ${error.message}\n`);
  process.exitCode = 1;
});
