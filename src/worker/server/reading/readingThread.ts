import type { Worker } from "node:worker_threads";
import { Cancelled, JobFailure } from "../failure";
import type { ReadingCommand, ReadingReply, ReadingResults } from "./readingProtocol";

/** Reading a real file takes milliseconds; a reading that takes this long is stuck. */
export const READING_TIME_LIMIT_MS = 10_000;

export interface ReadingThreadOptions {
  /** Started on the first command, and again after it has died. */
  readonly start: () => Worker;
  readonly timeLimitMs?: number;
  readonly log: (line: string) => void;
}

/**
 * The thread that reads model files. Commands run one after the other; each settles with the thread's reply, or with
 * a JobFailure when the thread dies or exceeds the time limit, after which the next command gets a new thread.
 */
export class ReadingThread {
  private worker: Worker | undefined;
  private last: Promise<unknown> = Promise.resolve();
  private disposed = false;

  constructor(private readonly options: ReadingThreadOptions) {}

  run<C extends ReadingCommand>(command: C): Promise<ReadingResults[C["type"]]> {
    const turn = this.last.then(() => this.post(command));
    this.last = turn.catch(() => undefined);
    return turn as Promise<ReadingResults[C["type"]]>;
  }

  async dispose(): Promise<void> {
    this.disposed = true;
    const worker = this.worker;
    this.worker = undefined;
    await worker?.terminate();
  }

  private post(command: ReadingCommand): Promise<ReadingResults[ReadingCommand["type"]]> {
    if (this.disposed || ("cancel" in command && isSet(command.cancel))) return Promise.reject(new Cancelled());
    const worker = this.worker ?? this.start();
    return new Promise((resolve, reject) => {
      const limit = this.options.timeLimitMs ?? READING_TIME_LIMIT_MS;
      const settle = (action: () => void) => {
        clearTimeout(timer);
        worker.off("message", onMessage);
        worker.off("error", onError);
        worker.off("exit", onExit);
        action();
      };
      const fail = (message: string) => {
        this.forget(worker);
        settle(() => reject(this.disposed ? new Cancelled() : new JobFailure({ message, defect: true })));
      };
      const onMessage = (reply: ReadingReply) =>
        settle(() => (reply.ok ? resolve(reply.value) : reject(new JobFailure(reply.error))));
      const onError = (error: Error) => {
        this.options.log(`reading thread: ${error.stack ?? error.message}`);
        fail(`the reading thread crashed: ${error.message}; it starts again with the next edit`);
      };
      const onExit = (code: number) => fail(`the reading thread ended with exit code ${code}`);
      const timer = setTimeout(() => {
        fail(`reading took longer than ${limit / 1000} s and was stopped; the file may be too large or too complex`);
        void worker.terminate();
      }, limit);
      worker.on("message", onMessage);
      worker.on("error", onError);
      worker.on("exit", onExit);
      worker.postMessage(command);
    });
  }

  private start(): Worker {
    const worker = this.options.start();
    this.worker = worker;
    // Between commands there is no other listener, and an error without one would end the server.
    worker.on("error", () => this.forget(worker));
    worker.on("exit", () => this.forget(worker));
    // An idle thread must not keep the process alive.
    worker.unref();
    return worker;
  }

  private forget(worker: Worker): void {
    if (this.worker === worker) this.worker = undefined;
  }
}

function isSet(cancel: SharedArrayBuffer): boolean {
  return Atomics.load(new Int32Array(cancel), 0) !== 0;
}
