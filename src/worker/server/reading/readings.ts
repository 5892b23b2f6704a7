import type { CancellationToken } from "vscode-languageserver";
import { FORMAT_TEXT, modelFormat } from "../../../protocol/commands";
import type { ReadingState } from "../../../protocol/messages";
import type { FileShapes } from "../../language/fileShapes";
import { EMPTY_READING, type Reading } from "../../language/layers";
import { Cancelled, toJobError } from "../failure";
import type { ReadingThread } from "./readingThread";

/** The changes of one edit, such as a completion with its import, are read once; a later keystroke abandons the reading. */
export const DEBOUNCE_MS = 1;

/**
 * Longest text that is read with each keystroke, in UTF-16 units. The longest model files of Hugging Face transformers
 * have about a sixth of it; 5 MB would take the reader more than ten seconds.
 */
const MAX_TEXT = 2 * 1024 * 1024;

/**
 * After this time the status shows that a file is being read. Most readings end sooner and would only make it flicker.
 */
const TELL_MS = 200;
/** After this time the status says that reading is slow. */
const SLOW_MS = 1500;

/** A document as open in the editor. */
export interface OpenText {
  readonly uri: string;
  readonly version: number;
  getText(): string;
}

export interface ReadingsOptions {
  readonly thread: Pick<ReadingThread, "run">;
  /** Path of the document's file, as problems and reports name it. */
  readonly fileOf: (uri: string) => string;
  /** Called with each document's newest reading. */
  readonly onRead: (document: OpenText, reading: Reading) => void;
  readonly onState: (state: ReadingState) => void;
  /** Called with the shapes in the newest text, some time after its reading. */
  readonly onShapes: (document: OpenText, reading: Reading) => void;
  /** Whether shapes are wanted; asked before each trace. */
  readonly wantsShapes: () => boolean;
}

interface Entry {
  document: OpenText;
  /** Counts readings; the results of older ones are dropped. */
  generation: number;
  timer: NodeJS.Timeout | undefined;
  cancel: Int32Array | undefined;
  /** Results read before are no longer valid. */
  fresh: boolean;
  newest: Promise<Reading>;
  settle: (reading: Reading) => void;
  settled: boolean;
  /** The newest text's shapes, once they are known. */
  shapes: FileShapes | undefined;
  /** Shapes may still come. */
  tracing: boolean;
  /** Requests that wait for them. */
  waiting: (() => void)[];
}

/** The newest reading of each open document. An edit abandons the reading under way and starts another. */
export class Readings {
  private readonly entries = new Map<string, Entry>();
  private active = 0;
  private failure: string | undefined;
  private timers: NodeJS.Timeout[] = [];
  private reported: ReadingState["state"] = "idle";

  constructor(private readonly options: ReadingsOptions) {}

  /** To be called with each new text; the first one is read at once. */
  changed(document: OpenText): void {
    const delayMs = this.entries.has(document.uri) ? DEBOUNCE_MS : 0;
    const entry = this.entries.get(document.uri) ?? this.add(document);
    entry.document = document;
    entry.generation++;
    abandon(entry);
    entry.shapes = undefined;
    entry.tracing = true;
    if (entry.settled) renew(entry);
    entry.timer = setTimeout(() => void this.read(entry), delayMs);
  }

  /** Reads a document again whose text is unchanged, because a file that it depends on has changed. */
  again(uri: string): void {
    const entry = this.entries.get(uri);
    if (!entry) return;
    entry.fresh = true;
    this.changed(entry.document);
  }

  closed(uri: string): void {
    const entry = this.entries.get(uri);
    if (!entry) return;
    this.entries.delete(uri);
    entry.generation++;
    abandon(entry);
    entry.settle(EMPTY_READING);
    endTracing(entry);
  }

  dispose(): void {
    for (const uri of [...this.entries.keys()]) this.closed(uri);
    this.timers.forEach(clearTimeout);
  }

  /** The reading of the document's newest text; `undefined` when it is not open. Throws Cancelled on the token. */
  async newest(uri: string, token?: CancellationToken): Promise<Reading | undefined> {
    const entry = this.entries.get(uri);
    if (!entry || !token) return entry?.newest;
    if (token.isCancellationRequested) throw new Cancelled();
    let stop: { dispose(): void } | undefined;
    const cancelled = new Promise<never>((_, reject) => {
      stop = token.onCancellationRequested(() => reject(new Cancelled()));
    });
    try {
      return await Promise.race([entry.newest, cancelled]);
    } finally {
      stop?.dispose();
    }
  }

  private add(document: OpenText): Entry {
    const entry: Entry = {
      document,
      generation: 0,
      timer: undefined,
      cancel: undefined,
      fresh: false,
      newest: Promise.resolve(EMPTY_READING),
      settle: () => undefined,
      settled: true,
      shapes: undefined,
      tracing: false,
      waiting: [],
    };
    this.entries.set(document.uri, entry);
    return entry;
  }

  private async read(entry: Entry): Promise<void> {
    const { document, generation } = entry;
    const text = document.getText();
    if (text.length > MAX_TEXT) return this.finishWithout(entry, document, failedReading(tooLong(text.length)));
    const file = this.options.fileOf(document.uri);
    const format = modelFormat(file);
    if (format === "keras-file" || !FORMAT_TEXT[format].test(text))
      return this.finishWithout(entry, document, EMPTY_READING);
    const cancel = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    entry.cancel = cancel;
    this.began();
    try {
      const { fresh } = entry;
      const reading = await this.options.thread.run({ type: "read", file, text, cancel: cancel.buffer, fresh });
      if (entry.generation === generation) {
        entry.fresh = false;
        this.failure = undefined;
        this.finish(entry, document, reading);
        void this.trace(entry, reading, { file, text, cancel });
      }
    } catch (error) {
      if (entry.generation === generation) {
        const { message } = toJobError(error);
        this.failure = message;
        this.finishWithout(entry, document, failedReading(message));
      }
    } finally {
      this.ended();
    }
  }

  /**
   * Waits for the newest text's shapes; an editor keeps showing the old ones until then. `undefined` when none will
   * come.
   */
  async newestShapes(uri: string): Promise<FileShapes | undefined> {
    const entry = this.entries.get(uri);
    if (entry?.tracing) await new Promise<void>((resolve) => entry.waiting.push(resolve));
    return entry?.shapes;
  }

  /** The newest text's shapes, if they are already known. */
  shapes(uri: string): FileShapes | undefined {
    return this.entries.get(uri)?.shapes;
  }

  /** Shapes come second, so that lenses never wait for them; the next keystroke ends their trace. */
  private async trace(
    entry: Entry,
    reading: Reading,
    { file, text, cancel }: { file: string; text: string; cancel: Int32Array<SharedArrayBuffer> },
  ): Promise<void> {
    if (!this.options.wantsShapes() || reading.summary.models.length === 0) return endTracing(entry);
    const { document, generation } = entry;
    entry.cancel = cancel;
    this.began();
    try {
      const shapes = await this.options.thread.run({ type: "shapes", file, text, cancel: cancel.buffer });
      if (entry.generation !== generation) return;
      entry.shapes = shapes;
      endTracing(entry);
      this.options.onShapes(document, reading);
    } catch (error) {
      if (entry.generation !== generation) return;
      this.failure = `no shapes: ${toJobError(error).message}`;
      endTracing(entry);
    } finally {
      this.ended();
    }
  }

  /** Ends a reading that no shapes follow. */
  private finishWithout(entry: Entry, document: OpenText, reading: Reading): void {
    this.finish(entry, document, reading);
    endTracing(entry);
  }

  private finish(entry: Entry, document: OpenText, reading: Reading): void {
    entry.cancel = undefined;
    entry.settled = true;
    entry.settle(reading);
    this.options.onRead(document, reading);
  }

  private began(): void {
    if (this.active++ > 0) return;
    this.timers = [
      setTimeout(() => this.tell({ state: "reading" }), TELL_MS),
      setTimeout(() => this.tell({ state: "slow", message: "reading the open file is taking long" }), SLOW_MS),
    ];
  }

  private ended(): void {
    if (--this.active > 0) return;
    this.timers.forEach(clearTimeout);
    this.tell(this.failure === undefined ? { state: "idle" } : { state: "failed", message: this.failure });
  }

  private tell(state: ReadingState): void {
    if (state.state === this.reported && state.state !== "failed") return;
    this.reported = state.state;
    this.options.onState(state);
  }
}

function endTracing(entry: Entry): void {
  entry.tracing = false;
  for (const resolve of entry.waiting.splice(0)) resolve();
}

function renew(entry: Entry): void {
  entry.settled = false;
  entry.newest = new Promise((resolve) => {
    entry.settle = resolve;
  });
}

function abandon(entry: Entry): void {
  clearTimeout(entry.timer);
  if (entry.cancel) Atomics.store(entry.cancel, 0, 1);
  entry.cancel = undefined;
}

function tooLong(length: number): string {
  const megabytes = (n: number) => (n / 1024 / 1024).toFixed(1);
  return `this file has ${megabytes(length)} MB of text; lenses need a file of at most ${megabytes(MAX_TEXT)} MB. Move the model's classes into a file of their own`;
}

/** A reading that failed as a whole is shown as a problem at the file's start. */
function failedReading(message: string): Reading {
  const place = { line: 1, column: 1, endLine: 2, endColumn: 1 };
  return {
    summary: { models: [], problems: [{ line: 1, message, severity: "error", place }] },
    defaultTargets: new Map(),
  };
}
