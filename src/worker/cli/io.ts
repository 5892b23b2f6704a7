import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { JobRequest, Report, ReportOf } from "../../protocol/jobRegistry";
import type { JobProgress } from "../../protocol/jobs";
import { replaceFile } from "../formats/files";
import { standaloneHtml } from "../jobs/html";
import { runJob } from "../jobs/run";

/** What the command line is connected to. */
export interface CliIO {
  out(text: string): void;
  /** Progress and remarks; never part of `--json`. */
  note(text: string): void;
  /** Redraws one line when it is a terminal. */
  readonly interactive: boolean;
  /** Resolves the built page's files, for `--html`. */
  readonly mediaFolder: string;
  /** First Ctrl-C: finish early. Second: end. */
  readonly stop: AbortSignal;
  readonly signal: AbortSignal;
}

/** Runs a job in this process, with its progress on one line. */
export async function runHere<J extends JobRequest>(io: CliIO, request: J): Promise<ReportOf[J["kind"]]> {
  const report = await runJob(request, { onProgress: progressLine(io), signal: io.signal, stop: io.stop });
  clearLine(io);
  // A job answers with the report of its kind.
  return report as ReportOf[J["kind"]];
}

const REDRAW_MS = 100;

/** One line that is redrawn on a terminal; elsewhere nothing. */
export function progressLine(io: CliIO): (progress: JobProgress) => void {
  let last = 0;
  return ({ message, fraction, secondsLeft, training }) => {
    if (!io.interactive) return;
    const now = performance.now();
    if (now - last < REDRAW_MS) return;
    last = now;
    const left = secondsLeft === undefined ? "" : ` · ${Math.ceil(secondsLeft)} s left`;
    const loss = training?.losses.at(-1);
    io.note(
      `\r\x1b[K${Math.floor(100 * fraction)} % ${message}${loss === undefined ? "" : ` · loss ${loss.toPrecision(4)}`}${left}`,
    );
  };
}

export function clearLine(io: CliIO): void {
  if (io.interactive) io.note("\r\x1b[K");
}

export async function writeHtml(io: CliIO, file: string, report: Report): Promise<void> {
  const [script, style] = await Promise.all(
    ["report.js", "report.css"].map((name) => readFile(join(io.mediaFolder, name), "utf8")),
  );
  await replaceFile(resolve(file), standaloneHtml(report, { script: script!, style: style! }));
}
