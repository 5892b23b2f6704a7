import type { ChildProcess } from "node:child_process";
import { constants, setPriority } from "node:os";
import { resolve as resolvePath } from "node:path";
import type { CancellationToken } from "vscode-languageserver";
import type { ComputeCommand, ComputeEvent } from "../../../protocol/compute";
import type { JobRequest, Report } from "../../../protocol/jobRegistry";
import type { JobProgress, TrainRequest } from "../../../protocol/jobs";
import type { EngineSummary } from "../../../protocol/reports";
import { UserError } from "../../formats/errors";
import { Cancelled, JobFailure } from "../failure";

/** How long a process may take to end by itself before a harder signal is sent. */
const GRACE_MS = 2000;

/** The end of a process's error output, kept to say why it died. */
const KEPT_OUTPUT = 2000;

export interface ComputeOptions {
  readonly fork: () => ChildProcess;
  readonly log: (line: string) => void;
  readonly graceMs?: number;
}

interface RunningJob {
  readonly job: JobRequest;
  readonly process: ComputeProcess;
}

/** Runs jobs, each in a process of its own. Every promise settles, whatever becomes of the process. */
export class Compute {
  private readonly running = new Map<string, RunningJob>();
  private readonly others = new Set<ComputeProcess>();

  constructor(private readonly options: ComputeOptions) {}

  /**
   * Rejects with a UserError when the id is taken or the model is being trained already, with Cancelled on the token,
   * and with a JobFailure when the job fails or its process dies.
   */
  async run(
    id: string,
    job: JobRequest,
    onProgress: (progress: JobProgress) => void,
    token?: CancellationToken,
  ): Promise<Report> {
    if (this.running.has(id)) throw new UserError(`a job named ${id} is already running`);
    if (job.kind === "train" && this.trains(job)) {
      throw new UserError(`${job.model.file} is already being trained; stop that training or wait for it to finish`);
    }
    const process = new ComputeProcess(this.options);
    this.running.set(id, { job, process });
    try {
      const event = await process.ask({ type: "start", job }, onProgress, token);
      if (event.type !== "result") throw unexpected(event);
      return event.report;
    } finally {
      this.running.delete(id);
    }
  }

  /** Asks a job to finish early with what it has. False when no such job runs. */
  stop(id: string): boolean {
    const found = this.running.get(id);
    found?.process.send({ type: "stop" });
    return found !== undefined;
  }

  async engines(token?: CancellationToken): Promise<readonly EngineSummary[]> {
    const process = new ComputeProcess(this.options);
    this.others.add(process);
    try {
      const event = await process.ask({ type: "engines" }, () => undefined, token);
      if (event.type !== "engines") throw unexpected(event);
      return event.engines;
    } finally {
      this.others.delete(process);
    }
  }

  /** Ends every process at once. */
  dispose(): void {
    for (const { process } of this.running.values()) process.kill();
    for (const process of this.others) process.kill();
  }

  /** Whether the model is being trained. */
  private trains({ model }: TrainRequest): boolean {
    return [...this.running.values()].some(
      ({ job }) =>
        job.kind === "train" &&
        resolvePath(job.model.file) === resolvePath(model.file) &&
        job.model.class === model.class,
    );
  }
}

function unexpected(event: ComputeEvent): JobFailure {
  return new JobFailure({ message: `the compute process answered with "${event.type}"`, defect: true });
}

/** One process and its one command. */
class ComputeProcess {
  private readonly child: ChildProcess;
  private errorOutput = "";

  constructor(private readonly options: ComputeOptions) {
    this.child = options.fork();
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => options.log(text.trimEnd()));
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.errorOutput = (this.errorOutput + text).slice(-KEPT_OUTPUT);
      options.log(text.trimEnd());
    });
  }

  ask(
    command: ComputeCommand,
    onProgress: (progress: JobProgress) => void,
    token: CancellationToken | undefined,
  ): Promise<ComputeEvent> {
    return new Promise((resolve, reject) => {
      const timers: NodeJS.Timeout[] = [];
      let cancelled = false;
      const grace = this.options.graceMs ?? GRACE_MS;
      const cancel = () => {
        cancelled = true;
        this.send({ type: "cancel" });
        timers.push(setTimeout(() => this.child.kill("SIGTERM"), grace));
        timers.push(setTimeout(() => this.child.kill("SIGKILL"), 2 * grace));
      };
      const settle = (action: () => void) => {
        subscription?.dispose();
        action();
      };
      const subscription = token?.onCancellationRequested(cancel);
      this.child.on("message", (event: ComputeEvent) => {
        if (event.type === "progress") {
          if (!cancelled) onProgress(event.progress);
        } else if (event.type === "error") {
          settle(() => reject(cancelled ? new Cancelled() : new JobFailure(event.error)));
        } else settle(() => (cancelled ? reject(new Cancelled()) : resolve(event)));
      });
      this.child.once("error", (error) =>
        settle(() => reject(new JobFailure({ message: `the compute process: ${error.message}`, defect: true }))),
      );
      // "close" and not "exit": by then all it wrote has been read.
      this.child.once("close", (code, signal) => {
        timers.forEach(clearTimeout);
        settle(() => reject(cancelled ? new Cancelled() : new JobFailure(this.death(code, signal))));
      });
      lowerPriority(this.child);
      this.send(command);
      if (token?.isCancellationRequested) cancel();
    });
  }

  send(command: ComputeCommand): void {
    // The "close" event reports a process that has just died.
    if (this.child.connected) this.child.send(command, () => undefined);
  }

  kill(): void {
    this.child.kill("SIGKILL");
  }

  private death(code: number | null, signal: NodeJS.Signals | null): { message: string; defect: boolean } {
    if (signal === "SIGKILL") {
      return {
        message:
          "the compute process was ended by SIGKILL, most likely because the system ran out of memory; use a smaller batch size or a smaller model",
        defect: false,
      };
    }
    const how = signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
    const last = this.errorOutput.trim().split("\n").at(-1)?.trim();
    const note = last ? `; its last words: ${last}` : "";
    return {
      message: `the compute process ${how} before it had a result${note}. Its output is in the log; another engine (setting loraLens.engine) may help`,
      defect: true,
    };
  }
}

/** Jobs use every core; the editor and its lenses go first. */
function lowerPriority(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // Not allowed here, or the process is gone already: it runs at normal priority, or its end is reported anyway.
  }
}
