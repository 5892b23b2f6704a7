import { CancellationError, commands, window } from "vscode";
import { COMMANDS } from "../protocol/commands";
import type { JobError } from "../protocol/jobs";

/** What a person can do about it, as a button. */
export interface Remedy {
  readonly title: string;
  readonly command: string;
}

/** An error that is shown to the user unchanged and is not a defect. */
export class Notice extends Error {
  override readonly name = "Notice";
  constructor(
    message: string,
    readonly remedy?: Remedy,
  ) {
    super(message);
  }
}

/** The Language Server Protocol's code of a request that was cancelled. */
const REQUEST_CANCELLED = -32800;

/** An error that the worker answered with: vscode-jsonrpc's ResponseError, known by its form so as not to load it. */
interface ResponseError extends Error {
  readonly code: number;
  readonly data?: unknown;
}

function isResponseError(error: unknown): error is ResponseError {
  return error instanceof Error && "code" in error && typeof error.code === "number" && "toJson" in error;
}

export function isCancellation(error: unknown): boolean {
  return error instanceof CancellationError || (isResponseError(error) && error.code === REQUEST_CANCELLED);
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
  if (!isResponseError(error)) return true;
  const data = error.data as Partial<JobError> | undefined;
  return data?.defect !== false;
}
