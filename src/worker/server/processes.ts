import { type ChildProcess, fork } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { PageAssets } from "../jobs/html";

/** How the server gets the thread and the processes it works with; tests put their own in. */
export interface Processes {
  /** The thread that reads model files: reading/main.ts. */
  startReadingThread(): Worker;
  /** A process that runs one job: compute.ts. Its output is piped, its messages are ComputeCommand and ComputeEvent. */
  forkCompute(): ChildProcess;
  /** The built page that a report is saved with. */
  pageAssets(): Promise<PageAssets>;
}

/** The bundled entries, which lie beside the worker's own. */
export function bundledProcesses(folder: string = __dirname): Processes {
  return {
    startReadingThread: () => new Worker(join(folder, "reading.js")),
    forkCompute: () => fork(join(folder, "compute.js"), [], { stdio: ["ignore", "pipe", "pipe", "ipc"], execArgv: [] }),
    pageAssets: async () => ({
      script: await readFile(join(folder, "media", "report.js"), "utf8"),
      style: await readFile(join(folder, "media", "report.css"), "utf8"),
    }),
  };
}
