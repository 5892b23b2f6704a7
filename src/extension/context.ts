import { type OutputChannel, type Uri, workspace } from "vscode";
import { AdapterRequest, type AdapterResult } from "../protocol/messages";
import type { WorkerClient } from "./client";
import { Notice } from "./errors";
import type { Jobs } from "./jobs/jobs";
import type { Memory } from "./memory";
import type { ChosenModel } from "./modelFile";
import type { Panels } from "./panels/panels";

/** The parts of the extension that commands work with. */
export interface CommandContext {
  readonly extensionUri: Uri;
  readonly client: WorkerClient;
  readonly jobs: Jobs;
  readonly panels: Panels;
  readonly memory: Memory;
  readonly log: OutputChannel;
}

/** Models of an untrusted folder are read and analyzed, but nothing is run or written for them. */
export function requireTrust(what: string | null): void {
  if (what === null || workspace.isTrusted) return;
  throw new Notice(`${what} needs a trusted workspace`, {
    title: "Manage Workspace Trust",
    command: "workbench.trust.manage",
  });
}

export interface SavedAdapter extends AdapterResult {
  readonly folder: string;
}

/** The adapter or its settings saved for the model. */
export async function savedAdapter(
  { client, memory }: CommandContext,
  model: ChosenModel,
): Promise<SavedAdapter | undefined> {
  const folder = memory.adapterFolder(model);
  const { adapter } = await client.request(AdapterRequest, { folder });
  const isOwn = adapter && (adapter.class === null || adapter.class === model.class);
  return isOwn ? { ...adapter, folder } : undefined;
}
