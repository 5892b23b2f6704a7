import type { Command } from "commander";
import type { JobKind, ReportOf, RequestOf } from "../../protocol/jobRegistry";
import { type CliIO, runHere, writeHtml } from "./io";

/** One command of the command line, which answers with a T. */
export interface CliCommand<T> {
  /** Its argument, if it has one: "<file>". */
  readonly argument?: string;
  readonly description: string;
  /** Adds its options. */
  configure(command: Command): Command;
  /** `file` is its argument, if it has one. */
  run(io: CliIO, options: never, file: string): Promise<Answer<T>>;
}

/** What a command came to. */
export interface Answer<T> {
  /** What it prints with --json. */
  readonly value: T;
  /** What it prints without. */
  text(): string;
  /** Fine, unless it says otherwise. */
  readonly exitCode?: number;
}

/** A command that runs a job and prints its report. */
export interface JobCommand<K extends JobKind, O> {
  readonly description: string;
  /** It takes no file as its argument. */
  readonly withoutModel?: true;
  configure(command: Command): Command;
  request(file: string, options: O): RequestOf[K];
  text(report: ReportOf[K]): string;
  /** Fine, unless the report says otherwise. */
  exitCode?(report: ReportOf[K]): number;
  /** The report has a page, which can be written to a file. */
  readonly html?: true;
  /** Writes other files that the options ask for. */
  write?(report: ReportOf[K], options: O): Promise<void>;
}

interface Html {
  readonly html?: string;
}

export function jobCommand<K extends JobKind, O>(job: JobCommand<K, O>): CliCommand<ReportOf[K]> {
  return {
    ...(!job.withoutModel && { argument: "<file>" }),
    description: job.description,
    configure(command) {
      const configured = job.configure(command);
      return job.html ? configured.option("--html <file>", "write the report as one HTML page") : configured;
    },
    async run(io: CliIO, options: O & Html, file: string) {
      const report = (await runHere(io, job.request(file, options))) as ReportOf[K];
      if (options.html !== undefined) await writeHtml(io, options.html, report);
      await job.write?.(report, options);
      const exitCode = job.exitCode?.(report);
      return { value: report, text: () => job.text(report), ...(exitCode !== undefined && { exitCode }) };
    },
  };
}
