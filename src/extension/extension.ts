import { type ExtensionContext, type TextDocument, Uri, window, workspace } from "vscode";
import { MODEL_TEXT } from "../protocol/commands";
import { HtmlRequest, SizesCsvRequest } from "../protocol/messages";
import { WorkerClient } from "./client";
import { registerCommands } from "./commands";
import { showError } from "./errors";
import { Jobs } from "./jobs/jobs";
import { compareSizes } from "./jobs/sizes";
import { Memory } from "./memory";
import { watchModelContext } from "./modelContext";
import { looksLikeModel } from "./modelFile";
import { Panels } from "./panels/panels";
import { PythonEnvironments } from "./python/python";
import { createPythonStatus } from "./python/pythonStatus";
import { engineLabels } from "./status/engineLabels";
import { createStatus } from "./status/status";
import { WorkerSettingsSource } from "./workerSettings";

let client: WorkerClient | undefined;

/** Builds the parts and registers them. The worker starts with the first model file or the first command. */
export function activate(context: ExtensionContext): void {
  const { extensionUri, subscriptions } = context;
  const log = window.createOutputChannel("LoRA Lens", { log: true });
  const memory = new Memory(context.workspaceState);
  const python = new PythonEnvironments(log);
  const settings = new WorkerSettingsSource(memory, python);
  const worker = new WorkerClient(Uri.joinPath(extensionUri, "dist", "worker.js").fsPath, log, settings);
  client = worker;
  const jobs = new Jobs(worker);
  const panels = new Panels({
    extensionUri,
    html: async (report) => (await worker.request(HtmlRequest, { report })).html,
    csv: async (report) => (await worker.request(SizesCsvRequest, { report })).csv,
    compareSizes: (question) => compareSizes({ client: worker, jobs, memory }, question),
  });
  subscriptions.push(
    log,
    python,
    settings,
    worker,
    jobs,
    panels,
    createStatus(worker, jobs, engineLabels(context.extension.packageJSON)),
    createPythonStatus(worker, python),
    watchModelContext(),
    registerCommands({ extensionUri, client: worker, jobs, panels, memory, log }),
  );
  startWithFirstModel(worker, python, context);
}

export async function deactivate(): Promise<void> {
  await client?.stop();
}

function startWithFirstModel(
  worker: WorkerClient,
  python: PythonEnvironments,
  { subscriptions }: ExtensionContext,
): void {
  const start = ({ languageId }: TextDocument) => {
    worker.startForFile().catch(showError);
    if (languageId === "python") void python.askExtension();
  };
  const look = (document: TextDocument) => {
    if (looksLikeModel(document)) start(document);
  };
  workspace.textDocuments.forEach(look);
  subscriptions.push(
    workspace.onDidOpenTextDocument(look),
    // A file may become a model's while it is written: the changed lines tell, without reading all of it each time.
    workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
      const isModel = ({ text, range }: (typeof contentChanges)[number]) =>
        MODEL_TEXT.test(text) ||
        MODEL_TEXT.test(document.lineAt(Math.min(range.start.line, document.lineCount - 1)).text);
      if (document.languageId === "python" && contentChanges.some(isModel)) start(document);
    }),
  );
}
