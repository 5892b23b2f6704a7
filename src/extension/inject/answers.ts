/** What people type into the injection dialog. Knows nothing of VS Code. */

type Answer<T> = { readonly value: T } | { readonly error: string };

/** PEFT's lora_dropout. */
export function parseDropout(text: string): Answer<number> {
  const value = Number(text);
  return text !== "" && value >= 0 && value < 1
    ? { value }
    : { error: "Dropout is a probability, from 0 to below 1; 0 to 0.1 is usual" };
}

/** PEFT's exclude_modules: names or path suffixes with commas between them, or "regex:PATTERN"; null for nothing. */
export function parseExclude(text: string): Answer<readonly string[] | string | null> {
  if (text.startsWith("regex:")) {
    const pattern = text.slice("regex:".length);
    return pattern === "" ? { error: "Put a pattern after regex:" } : { value: pattern };
  }
  const names = text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  return { value: names.length > 0 ? names : null };
}

/** As parseExclude reads it. */
export function excludeText(exclude: readonly string[] | string | null): string {
  if (exclude === null) return "";
  return typeof exclude === "string" ? `regex:${exclude}` : exclude.join(", ");
}
