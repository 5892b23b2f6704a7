import { CancellationError, commands, window } from "vscode";
import { LSPErrorCodes, ResponseError } from "vscode-languageclient";
import { COMMANDS } from "../protocol/commands";
import type { JobError } from "../protocol/jobs";

/** Said to the person as it is; it is no failure of ours. */
export class Notice extends Error {
  override readonly name = "Notice";
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
  if (error instanceof Notice || !isDefect(error)) {
    await window.showErrorMessage(message);
    return;
  }
  if ((await window.showErrorMessage(message, "Show Log")) === "Show Log") {
    await commands.executeCommand(COMMANDS.showLog);
  }
}

function isDefect(error: unknown): boolean {
  if (!(error instanceof ResponseError)) return true;
  const data = error.data as Partial<JobError> | undefined;
  return data?.defect !== false;
}
