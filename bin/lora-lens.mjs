#!/usr/bin/env node
/** The command line's entry. An installed package has dist/; a fresh checkout builds it once, saying so on stderr. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const worker = fileURLToPath(new URL("../dist/worker.js", import.meta.url));
let ready = existsSync(worker);
if (!ready) {
  process.stderr.write("lora-lens: building (first use in this checkout)\n");
  try {
    const { build } = await import("../scripts/build.mjs");
    await build({ parts: ["worker", "compute", "reading", "report", "style"] });
    ready = true;
  } catch (error) {
    process.stderr.write(`lora-lens: ${error instanceof Error ? error.message : error}\n`);
    process.exitCode = 2;
  }
}
if (ready) createRequire(import.meta.url)(worker);
