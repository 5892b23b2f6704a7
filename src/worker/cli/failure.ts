import { CommanderError } from "commander";
import { UserError } from "../formats/errors";

/** Exit codes: fine, a check failed, bad input, a defect of ours. */
export const EXIT = { fine: 0, checkFailed: 1, badInput: 2, defect: 70 } as const;

/** How a command that threw ends: its exit code, and what to say on standard error. */
export function failure(error: unknown, cancelled: boolean): { readonly code: number; readonly text: string } {
  if (error instanceof CommanderError) {
    // It has printed its message itself; help that was asked for is no error.
    return { code: error.exitCode === 0 ? EXIT.fine : EXIT.badInput, text: "" };
  }
  if (error instanceof UserError) {
    const { file, line, cell } = error.place ?? {};
    const inCell = cell === undefined ? "" : `cell ${cell}:`;
    const where = file !== undefined && line !== undefined ? `${file}:${inCell}${line}: ` : "";
    return { code: EXIT.badInput, text: `lora-lens: ${where}${error.message.replaceAll(/\s*\n\s*/g, " ")}\n` };
  }
  if (cancelled) return { code: EXIT.badInput, text: "lora-lens: cancelled\n" };
  return {
    code: EXIT.defect,
    text: `lora-lens: this is a defect of LoRA Lens, please report it\n${error instanceof Error ? error.stack : error}\n`,
  };
}
