/** What a tutorial shows of a run: a command line and what it prints. */
export interface ShownCommand {
  /** In the Markdown file, from 1. */
  readonly line: number;
  readonly words: readonly string[];
  readonly output: readonly string[];
}

export interface Fence {
  readonly line: number;
  readonly language: string;
  readonly lines: readonly string[];
}

/** The fenced blocks of a Markdown text. */
export function fencesOf(markdown: string): Fence[] {
  const found: Fence[] = [];
  let open: { line: number; language: string; lines: string[] } | undefined;
  markdown.split("\n").forEach((text, i) => {
    if (!text.startsWith("```")) {
      open?.lines.push(text);
    } else if (open) {
      found.push(open);
      open = undefined;
    } else {
      open = { line: i + 1, language: text.slice(3).trim(), lines: [] };
    }
  });
  if (open) throw new Error(`the block that begins at line ${open.line} has no end`);
  return found;
}

/** The commands of the `console` blocks, each with the lines that follow it. */
export function commandsOf(markdown: string): ShownCommand[] {
  const found: { line: number; words: string[]; output: string[] }[] = [];
  for (const { line, language, lines } of fencesOf(markdown)) {
    if (language !== "console") continue;
    const first = found.length;
    lines.forEach((text, i) => {
      const last = found.at(-1);
      if (text.startsWith("$ lora-lens ")) {
        found.push({ line: line + 1 + i, words: text.slice("$ lora-lens ".length).split(/\s+/), output: [] });
      } else if (found.length === first || !last) {
        throw new Error(`line ${line + 1 + i} must be "$ lora-lens …"`);
      } else if (text.startsWith("> ")) {
        // The command goes on, after a backslash.
        last.words.push(...text.slice(2).trim().split(/\s+/));
      } else {
        last.output.push(text);
      }
    });
  }
  for (const { words } of found) while (words.includes("\\")) words.splice(words.indexOf("\\"), 1);
  return found;
}

/**
 * Where what is printed is not what is shown; undefined where they agree.
 *
 * A line `…` stands for any number of lines, `…` in a line for any text. Numbers with a decimal point may differ by one
 * unit of the last digit that is shown: engines add in different orders. Other numbers must be the same.
 */
export function difference(shown: readonly string[], printed: readonly string[]): string | undefined {
  let best: string | undefined;
  let deepest = -1;
  const agree = (s: number, p: number): boolean => {
    if (s === shown.length && p === printed.length) return true;
    if (shown[s]?.trim() === ELLIPSIS) {
      for (let to = p; to <= printed.length; to++) if (agree(s + 1, to)) return true;
      return false;
    }
    if (s < shown.length && p < printed.length && sameLine(shown[s]!, printed[p]!)) return agree(s + 1, p + 1);
    if (s > deepest) {
      deepest = s;
      const instead = printed.slice(p, p + 1).map((line) => `\n  printed: ${line}`);
      best = `shown:   ${shown[s] ?? "(nothing more)"}${instead.join("") || "\n  printed: (nothing more)"}`;
    }
    return false;
  };
  return agree(0, 0) ? undefined : best;
}

const ELLIPSIS = "…";
const NUMBER = /\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?/g;

function sameLine(shown: string, printed: string): boolean {
  // Columns are as wide as their longest cell, which may be one that is not shown.
  const [a, b] = [shown, printed].map((line) => masked(line).trim().replace(/\s+/g, " "));
  const numbers = [...a!.matchAll(NUMBER)].map(([text]) => text);
  const pattern = a!
    .split(NUMBER)
    .map((text) => text.split(ELLIPSIS).map(escaped).join(".*?"))
    .join(`(${NUMBER.source})`);
  const match = new RegExp(`^${pattern}$`).exec(b!);
  return match !== null && numbers.every((text, i) => sameNumber(text, match[i + 1]!));
}

/** Times depend on the machine. */
function masked(line: string): string {
  return line.replace(/ in [\d.,]+ (ms|s|min)\b/g, " in T").replace(/[\d.,]+ samples a second/g, "N samples a second");
}

function sameNumber(shown: string, printed: string): boolean {
  if (shown === printed) return true;
  const [, decimals, exponent] = /\.(\d+)(?:e([+-]?\d+))?$/.exec(shown) ?? [];
  if (decimals === undefined) return false;
  const unit = 10 ** (Number(exponent ?? 0) - decimals.length);
  return Math.abs(numberOf(shown) - numberOf(printed)) <= unit * (1 + 1e-9);
}

const numberOf = (text: string): number => Number(text.replaceAll(",", ""));

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
