import type { Command } from "commander";
import type { JobKind, ReportOf, RequestOf } from "../../protocol/jobRegistry";
import { EXIT } from "./failure";
import { type CliIO, type Json, print, runHere, writeHtml } from "./io";

/** One command of the command line. */
export interface CliCommand {
  /** Its name with its arguments: "layers <file>". */
  readonly usage: string;
  readonly description: string;
  /** Adds its options. */
  configure(command: Command): Command;
  /** Resolves to an exit code. `file` is its argument, if it has one. */
  run(io: CliIO, options: never, file: string): Promise<number>;
}

/** A command that runs a job and prints its report. */
export interface JobCommand<K extends JobKind, O> {
  readonly usage: string;
  readonly description: string;
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

export function jobCommand<K extends JobKind, O>(job: JobCommand<K, O>): CliCommand {
  return {
    usage: job.usage,
    description: job.description,
    configure(command) {
      const configured = job.configure(command);
      return job.html ? configured.option("--html <file>", "write the report as one HTML page") : configured;
    },
    async run(io: CliIO, options: O & Json & Html, file: string) {
      const report = (await runHere(io, job.request(file, options))) as ReportOf[K];
      if (options.html !== undefined) await writeHtml(io, options.html, report);
      await job.write?.(report, options);
      print(io, options, report, () => job.text(report));
      return job.exitCode?.(report) ?? EXIT.fine;
    },
  };
}
