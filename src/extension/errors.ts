import { CancellationError, commands, window } from "vscode";
import { LSPErrorCodes, ResponseError } from "vscode-languageclient";
import { COMMANDS } from "../protocol/commands";
import type { JobError } from "../protocol/jobs";

/** What a person can do about it, as a button. */
export interface Remedy {
  readonly title: string;
  readonly command: string;
}

/** Said to the person as it is; it is no failure of ours. */
export class Notice extends Error {
  override readonly name = "Notice";
  constructor(
    message: string,
    readonly remedy?: Remedy,
  ) {
    super(message);
  }
}

export function isCancellation(error: unknown): boolean {
  return (
    error instanceof CancellationError ||
    (error instanceof ResponseError && error.code === LSPErrorCodes.RequestCancelled)
  );
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Shows what went wrong. Defects come with a button to the log; cancelling is not an error. */
export async function showError(error: unknown): Promise<void> {
  if (isCancellation(error)) return;
  const message = `LoRA Lens: ${messageOf(error)}`;
  const remedy = remedyFor(error);
  const chosen = await window.showErrorMessage(message, ...(remedy ? [remedy.title] : []));
  if (remedy && chosen === remedy.title) await commands.executeCommand(remedy.command);
}

export function remedyFor(error: unknown): Remedy | undefined {
  if (error instanceof Notice) return error.remedy;
  return isDefect(error) ? { title: "Show Log", command: COMMANDS.showLog } : undefined;
}

function isDefect(error: unknown): boolean {
  if (!(error instanceof ResponseError)) return true;
  const data = error.data as Partial<JobError> | undefined;
  return data?.defect !== false;
}
