/**
 * An error that is meant for the person at the keyboard: what is wrong, where, and what to do.
 * The CLI prints its message as one line and exits with 2; the editor shows it as is.
 * Any other error is a defect of ours and is reported with its stack.
 */
export class UserError extends Error {
  override readonly name = "UserError";

  constructor(
    message: string,
    readonly place?: { readonly file: string; readonly line?: number; readonly cell?: number },
  ) {
    super(message);
  }
}

/** "a, b and c". */
export function inWords(items: readonly string[], conjunction: "and" | "or" = "and"): string {
  return items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} ${conjunction} ${items.at(-1)}`;
}
