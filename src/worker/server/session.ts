import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type CancellationToken,
  CodeLensRefreshRequest,
  type Connection,
  TextDocuments,
} from "vscode-languageserver/node";
import { TextDocument } from "vscode-languageserver-textdocument";
import { modelFormat } from "../../protocol/commands";
import type { ModelChoice } from "../../protocol/jobs";
import {
  EnvironmentNotification,
  type NotificationName,
  ReadingStateNotification,
  type RequestName,
  type WorkerSettings,
} from "../../protocol/messages";
import { UserError } from "../formats/errors";
import { diagnostics } from "../language/diagnostics";
import { type Reading, traced } from "../language/layers";
import { Compute } from "./compute/compute";
import { toResponseError } from "./failure";
import { OpenNotebooks } from "./notebooks";
import type { Processes } from "./processes";
import { ReadingChoices } from "./reading/readingChoices";
import type { ReadingCommand, ReadingResults } from "./reading/readingProtocol";
import { type OpenText, Readings } from "./reading/readings";
import { ReadingThread } from "./reading/readingThread";
import { DEFAULT_SETTINGS } from "./settings";
import { Watching } from "./watching";

/** What the handlers share: the open documents with their newest readings, and the processes that work. */
export class Session {
  readonly documents = new TextDocuments(TextDocument);
  readonly notebooks: OpenNotebooks;
  readonly readings: Readings;
  readonly choices: ReadingChoices;
  readonly watching: Watching;
  readonly thread: ReadingThread;
  readonly compute: Compute;
  settings: WorkerSettings = DEFAULT_SETTINGS;
  /** Whether the editor can be asked to refresh lenses and hints. */
  refreshesLenses = false;
  refreshesHints = false;

  constructor(
    readonly connection: Connection,
    readonly processes: Processes,
  ) {
    const log = (line: string) => this.log(line);
    this.thread = new ReadingThread({ start: () => processes.startReadingThread(), log });
    this.compute = new Compute({ fork: () => processes.forkCompute(), log });
    this.choices = new ReadingChoices({
      find: (candidates) => this.thread.run({ type: "environment", candidates }),
      onFound: (state) => {
        this.notify(EnvironmentNotification, state);
        for (const note of state.notes) log(note);
        this.watching.update();
      },
    });
    this.readings = new Readings({
      thread: { run: (command) => this.run(command) },
      fileOf,
      onState: (state) => this.notify(ReadingStateNotification, state),
      onRead: (document, reading) => {
        this.publish(document, reading);
        this.watching.opened(document.uri, reading);
      },
      wantsShapes: () => this.settings.inlayHints || this.settings.diagnostics,
      onShapes: (document, reading) => {
        this.publish(document, reading);
        // Layers that are never called have another lens.
        if (this.readings.shapes(document.uri)?.onlyRead) this.refresh();
        else this.refreshHints();
      },
    });
    this.watching = new Watching({
      connection,
      choices: this.choices,
      fileOf,
      readAgain: (isConcerned) => this.readAgain(isConcerned),
      log,
    });
    this.notebooks = new OpenNotebooks({
      onChange: (notebook) => this.readings.changed(notebook),
      onClose: (uri) => {
        this.readings.closed(uri);
        this.watching.closed(uri);
      },
      onCellGone: (uri) => void connection.sendDiagnostics({ uri, diagnostics: [] }),
    });
  }

  log(line: string): void {
    this.connection.console.log(line);
  }

  notify<P>(name: NotificationName<P>, params: P): void {
    void this.connection.sendNotification(name.method, params);
  }

  /** Handles one of our requests; any error becomes a ResponseError with a readable message. */
  answer<P, R>(name: RequestName<P, R>, handle: (params: P, token: CancellationToken) => R | Promise<R>): void {
    this.connection.onRequest(name.method, async (params: P, token: CancellationToken) => {
      try {
        return await handle(params, token);
      } catch (error) {
        const response = toResponseError(error);
        if (response.data?.defect && error instanceof Error) this.log(`${name.method}: ${error.stack}`);
        return response;
      }
    });
  }

  /** The thread's answer for a file, read with the user's choices. */
  async run<C extends ReadingCommand>(command: C): Promise<ReadingResults[C["type"]]> {
    return this.thread.run<C>("file" in command ? { ...command, ...(await this.choices.of(command.file)) } : command);
  }

  /** Text documents and notebooks. */
  open(): OpenText[] {
    return [...this.documents.all(), ...this.notebooks.all()];
  }

  /** Reads the open documents of these files again, because a file that they depend on has changed. */
  readAgain(isConcerned: (file: string) => boolean): void {
    const concerned = this.open()
      .map(({ uri }) => uri)
      .filter((uri) => isConcerned(fileOf(uri)));
    for (const uri of concerned) this.readings.again(uri);
    if (concerned.length > 0) this.refresh();
  }

  publish({ uri, version }: { uri: string; version: number }, reading: Reading): void {
    const problems = [...reading.summary.problems, ...(this.readings.shapes(uri)?.problems ?? [])];
    const summary = { ...reading.summary, problems };
    const found = (cell?: number, of = uri) => (this.settings.diagnostics ? diagnostics(summary, cell, of) : []);
    const cells = this.notebooks.cells(uri);
    if (!cells) return void this.connection.sendDiagnostics({ uri, version, diagnostics: found() });
    for (const [index, cell] of cells.entries()) {
      // Problems of the whole notebook are shown at its top.
      const whole = index === 0 ? found() : [];
      void this.connection.sendDiagnostics({ uri: cell, diagnostics: [...whole, ...found(index + 1, cell)] });
    }
  }

  refresh(): void {
    if (this.refreshesLenses) void this.connection.sendRequest(CodeLensRefreshRequest.type);
    this.refreshHints();
  }

  refreshHints(): void {
    if (this.refreshesHints) void this.connection.languages.inlayHint.refresh();
  }

  /** A reading with what its traced shapes tell about layers. */
  withUses(document: string, reading: Reading): Reading {
    return traced(reading, this.readings.shapes(this.notebooks.locate(document).uri)?.onlyRead);
  }

  /** Like Readings.newest, but errors become responses of the protocol. */
  async newest(uri: string, token: CancellationToken): Promise<Reading | undefined> {
    try {
      return await this.readings.newest(uri, token);
    } catch (error) {
      throw toResponseError(error);
    }
  }

  /** A document that no editor has open is read from disk. */
  async readingOf(document: string, token: CancellationToken): Promise<Reading> {
    const { uri } = this.notebooks.locate(document);
    const open = await this.readings.newest(uri, token);
    if (open) return open;
    const cancel = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
    return this.run({ type: "read", file: fileOf(uri), text: await this.textOf(uri), cancel, fresh: true });
  }

  async textOf(uri: string): Promise<string> {
    const file = fileOf(uri);
    // Its reader opens it by itself.
    if (modelFormat(file) === "keras-file") return "";
    const open = this.openText(file);
    if (open !== undefined) return open;
    return readFile(file, "utf8").catch((error: Error) => {
      throw new UserError(`cannot read ${file}: ${error.message}`, { file });
    });
  }

  /**
   * Jobs use what the user sees: unsaved text instead of the file's, and the environment and configuration of the
   * lenses.
   */
  async asShown(model: ModelChoice): Promise<ModelChoice> {
    const text = model.text ?? this.openText(model.file);
    return { ...(await this.choices.ofModel(model)), ...model, ...(text !== undefined && { text }) };
  }

  private openText(file: string): string | undefined {
    return this.open()
      .find((document) => fileOf(document.uri) === file)
      ?.getText();
  }
}

/** The path of a file document; an untitled one goes by its name. */
export function fileOf(uri: string): string {
  return uri.startsWith("file:") ? fileURLToPath(uri) : basename(decodeURIComponent(uri.split(/[?#]/, 1)[0]!));
}
