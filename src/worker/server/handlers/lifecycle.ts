import { type InitializeParams, type InitializeResult, TextDocumentSyncKind } from "vscode-languageserver/node";
import { NOTEBOOK_SYNC } from "../notebooks";
import type { Session } from "../session";
import { DEFAULT_SETTINGS, validSettings } from "../settings";

export function lifecycle(session: Session): void {
  const { connection, choices, watching, readings, compute, thread } = session;

  connection.onInitialize(({ initializationOptions, capabilities }: InitializeParams): InitializeResult => {
    session.settings = { ...DEFAULT_SETTINGS, ...validSettings(initializationOptions) };
    choices.change(session.settings);
    watching.start(capabilities);
    session.refreshesLenses = capabilities.workspace?.codeLens?.refreshSupport === true;
    session.refreshesHints = capabilities.workspace?.inlayHint?.refreshSupport === true;
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

  connection.onShutdown(async () => {
    readings.dispose();
    compute.dispose();
    await thread.dispose();
  });
}
