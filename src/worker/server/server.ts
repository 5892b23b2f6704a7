import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type CancellationToken,
  CodeLensRefreshRequest,
  type Connection,
  type InitializeParams,
  type InitializeResult,
  TextDocumentSyncKind,
  TextDocuments,
} from "vscode-languageserver/node";
import { TextDocument } from "vscode-languageserver-textdocument";
import { modelFormat } from "../../protocol/commands";
import type { JobRequest } from "../../protocol/jobRegistry";
import type { ModelChoice } from "../../protocol/jobs";
import {
  AdapterRequest,
  ConfigurationsRequest,
  DataColumnsRequest,
  DataFormatsRequest,
  EnginesRequest,
  EnvironmentNotification,
  HtmlRequest,
  InjectRequest,
  JobProgressNotification,
  type NotificationName,
  ReadingStateNotification,
  type RequestName,
  RunJobRequest,
  SettingsNotification,
  StopJobRequest,
  SummaryRequest,
  TargetsRequest,
} from "../../protocol/messages";
import { UserError } from "../formats/errors";
import { standaloneHtml } from "../jobs/html";
import { codeLenses } from "../language/codeLens";
import { diagnostics } from "../language/diagnostics";
import { hover } from "../language/hover";
import { inlayHints } from "../language/inlayHints";
import { type Reading, traced } from "../language/layers";
import { targetChoices } from "../language/targets";
import { DATA_SOURCES, dataSourceOf } from "../training/data/registry";
import { Compute } from "./compute";
import { toResponseError } from "./failure";
import { NOTEBOOK_SYNC, OpenNotebooks } from "./notebooks";
import { bundledProcesses, type Processes } from "./processes";
import { ReadingThread } from "./reading";
import { ReadingChoices } from "./readingChoices";
import type { ReadingCommand } from "./readingProtocol";
import { Readings } from "./readings";
import { adapterIn } from "./savedAdapter";
import { DEFAULT_SETTINGS, validSettings } from "./settings";
import { Watching } from "./watching";

/**
 * Serves the Language Server Protocol and the requests of protocol/messages.ts on the connection. Reading happens in a
 * thread and jobs in processes of their own, so an answer never waits for either's work.
 */
export function startServer(connection: Connection, processes: Processes = bundledProcesses()): void {
  const log = (line: string) => connection.console.log(line);
  const documents = new TextDocuments(TextDocument);
  const thread = new ReadingThread({ start: () => processes.startReadingThread(), log });
  const compute = new Compute({ fork: () => processes.forkCompute(), log });
  let settings = DEFAULT_SETTINGS;
  let refreshesLenses = false;
  let refreshesHints = false;

  const notify = <P>(name: NotificationName<P>, params: P) => void connection.sendNotification(name.method, params);

  const choices = new ReadingChoices({
    find: (candidates) => thread.run({ type: "environment", candidates }),
    onFound: (state) => {
      notify(EnvironmentNotification, state);
      for (const note of state.notes) log(note);
      watching.update();
    },
  });

  /** The thread's answer for a file, read as it was chosen to be. */
  const run = async <C extends ReadingCommand>(command: C) =>
    thread.run<C>("file" in command ? { ...command, ...(await choices.of(command.file)) } : command);

  const readings = new Readings({
    thread: { run },
    fileOf,
    onState: (state) => notify(ReadingStateNotification, state),
    onRead: (document, reading) => {
      publish(document, reading);
      watching.opened(document.uri, reading);
    },
    wantsShapes: () => settings.inlayHints || settings.diagnostics,
    onShapes: (document, reading) => {
      publish(document, reading);
      // What is never called has another lens.
      if (readings.shapes(document.uri)?.onlyRead) refresh();
      else refreshHints();
    },
  });

  const watching = new Watching({ connection, choices, fileOf, readAgain, log });

  /** Reads the open documents again whose files these are: what they lead to has changed. */
  function readAgain(isConcerned: (file: string) => boolean): void {
    const uris = [...documents.all(), ...notebooks.all()].map(({ uri }) => uri);
    const concerned = uris.filter((uri) => isConcerned(fileOf(uri)));
    for (const uri of concerned) readings.again(uri);
    if (concerned.length > 0) refresh();
  }

  const notebooks = new OpenNotebooks({
    onChange: (notebook) => readings.changed(notebook),
    onClose: (uri) => {
      readings.closed(uri);
      watching.closed(uri);
    },
    onCellGone: (uri) => void connection.sendDiagnostics({ uri, diagnostics: [] }),
  });

  function publish({ uri, version }: { uri: string; version: number }, reading: Reading): void {
    const problems = [...reading.summary.problems, ...(readings.shapes(uri)?.problems ?? [])];
    const summary = { ...reading.summary, problems };
    const found = (cell?: number, of = uri) => (settings.diagnostics ? diagnostics(summary, cell, of) : []);
    const cells = notebooks.cells(uri);
    if (!cells) return void connection.sendDiagnostics({ uri, version, diagnostics: found() });
    for (const [index, cell] of cells.entries()) {
      // What is wrong with the notebook as a whole is shown at its top.
      const whole = index === 0 ? found() : [];
      void connection.sendDiagnostics({ uri: cell, diagnostics: [...whole, ...found(index + 1, cell)] });
    }
  }

  function refresh(): void {
    if (refreshesLenses) void connection.sendRequest(CodeLensRefreshRequest.type);
    refreshHints();
  }

  function refreshHints(): void {
    if (refreshesHints) void connection.languages.inlayHint.refresh();
  }

  /** Answers a request of ours; whatever is thrown becomes a ResponseError with words for people. */
  function answer<P, R>(
    name: RequestName<P, R>,
    handle: (params: P, token: CancellationToken) => R | Promise<R>,
  ): void {
    connection.onRequest(name.method, async (params: P, token: CancellationToken) => {
      try {
        return await handle(params, token);
      } catch (error) {
        const response = toResponseError(error);
        if (response.data?.defect && error instanceof Error) log(`${name.method}: ${error.stack}`);
        return response;
      }
    });
  }

  connection.onInitialize((params: InitializeParams): InitializeResult => {
    settings = { ...DEFAULT_SETTINGS, ...validSettings(params.initializationOptions) };
    choices.change(settings);
    watching.start(params.capabilities);
    refreshesLenses = params.capabilities.workspace?.codeLens?.refreshSupport === true;
    refreshesHints = params.capabilities.workspace?.inlayHint?.refreshSupport === true;
    return {
      capabilities: {
        textDocumentSync: TextDocumentSyncKind.Incremental,
        notebookDocumentSync: NOTEBOOK_SYNC,
        codeLensProvider: { resolveProvider: false },
        hoverProvider: true,
        inlayHintProvider: true,
      },
      serverInfo: { name: "lora-lens" },
    };
  });

  connection.onNotification(SettingsNotification.method, async (changed: unknown) => {
    settings = { ...settings, ...validSettings(changed) };
    readAgain(choices.change(settings));
    watching.update();
    refresh();
    for (const document of [...documents.all(), ...notebooks.all()]) {
      const reading = await readings.newest(document.uri);
      if (reading) publish(document, reading);
    }
  });

  // Fired on opening, too.
  documents.onDidChangeContent(({ document }) => readings.changed(document));
  documents.onDidClose(({ document }) => {
    readings.closed(document.uri);
    watching.closed(document.uri);
    void connection.sendDiagnostics({ uri: document.uri, diagnostics: [] });
  });

  connection.onCodeLens(async ({ textDocument }, token) => {
    if (!settings.codeLens) return [];
    const { uri, cell } = notebooks.locate(textDocument.uri);
    const reading = await newest(uri, token);
    return reading ? codeLenses(uri, withUses(uri, reading), settings, cell) : [];
  });

  connection.onHover(async ({ textDocument, position }, token) => {
    const { uri, cell } = notebooks.locate(textDocument.uri);
    const reading = await newest(uri, token);
    return reading ? hover(withUses(uri, reading), position, settings, cell) : null;
  });

  // An editor keeps the old hints until the answer: an early, empty one would make the text jump with each keystroke.
  connection.languages.inlayHint.on(async ({ textDocument, range }) => {
    const { uri, cell } = notebooks.locate(textDocument.uri);
    const shapes = settings.inlayHints ? await readings.newestShapes(uri) : undefined;
    return shapes ? inlayHints(shapes, range, cell) : [];
  });

  function withUses(document: string, reading: Reading): Reading {
    return traced(reading, readings.shapes(notebooks.locate(document).uri)?.onlyRead);
  }

  async function newest(uri: string, token: CancellationToken): Promise<Reading | undefined> {
    try {
      return await readings.newest(uri, token);
    } catch (error) {
      throw toResponseError(error);
    }
  }

  answer(SummaryRequest, async ({ uri }, token) => (await readingOf(uri, token)).summary);
  answer(TargetsRequest, async (params, token) =>
    targetChoices(withUses(params.uri, await readingOf(params.uri, token)), params.class, params.rank),
  );
  answer(ConfigurationsRequest, async (params) => {
    const { uri } = notebooks.locate(params.uri);
    return run({ type: "configurations", file: fileOf(uri), text: await textOf(uri), class: params.class });
  });
  answer(InjectRequest, async (params) =>
    thread.run({ type: "inject", params: { ...params, model: await asShown(params.model) } }),
  );
  answer(AdapterRequest, async ({ folder }) => ({ adapter: await adapterIn(folder) }));
  answer(DataFormatsRequest, () => ({
    formats: DATA_SOURCES.map(({ label, what, extensions }) => ({ label, what, extensions })),
  }));
  answer(DataColumnsRequest, async ({ file }) => ({ columns: await dataSourceOf(file).columns(file) }));
  answer(HtmlRequest, async ({ report }) => ({ html: standaloneHtml(report, await processes.pageAssets()) }));
  answer(RunJobRequest, async ({ id, job }, token) => {
    const shown: JobRequest = { ...job, model: await asShown(job.model) };
    return compute.run(id, shown, (progress) => notify(JobProgressNotification, { id, progress }), token);
  });
  answer(StopJobRequest, ({ id }) => ({ found: compute.stop(id) }));
  answer(EnginesRequest, async (_, token) => ({ engines: await compute.engines(token) }));

  /** A document that no editor has open is read from disk. */
  async function readingOf(document: string, token: CancellationToken): Promise<Reading> {
    const { uri } = notebooks.locate(document);
    const open = await readings.newest(uri, token);
    if (open) return open;
    const cancel = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
    return run({ type: "read", file: fileOf(uri), text: await textOf(uri), cancel, anew: true });
  }

  async function textOf(uri: string): Promise<string> {
    const file = fileOf(uri);
    // Its reader opens it by itself.
    if (modelFormat(file) === "keras-file") return "";
    const open = openText(file);
    if (open !== undefined) return open;
    return readFile(file, "utf8").catch((error: Error) => {
      throw new UserError(`cannot read ${file}: ${error.message}`, { file });
    });
  }

  function openText(file: string): string | undefined {
    const all = [...documents.all(), ...notebooks.all()];
    return all.find((document) => fileOf(document.uri) === file)?.getText();
  }

  /**
   * What the person sees counts: an unsaved text goes before the file's, and the model is read with the environment and
   * the configuration that its lenses are from.
   */
  async function asShown(model: ModelChoice): Promise<ModelChoice> {
    const text = model.text ?? openText(model.file);
    return { ...(await choices.ofModel(model)), ...model, ...(text !== undefined && { text }) };
  }

  connection.onShutdown(async () => {
    readings.dispose();
    compute.dispose();
    await thread.dispose();
  });

  documents.listen(connection);
  notebooks.listen(connection);
  connection.listen();
}

/** The path of a file document; an untitled one goes by its name. */
function fileOf(uri: string): string {
  return uri.startsWith("file:") ? fileURLToPath(uri) : basename(decodeURIComponent(uri.split(/[?#]/, 1)[0]!));
}
