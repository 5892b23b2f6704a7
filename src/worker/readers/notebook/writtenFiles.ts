import type { WrittenPart } from "../python/imports/writtenModules";
import { blank } from "./magics";

/**
 * Cells that write a file: `%%writefile model.py`, `%%writefile -a model.py`, `%%file model.py`. The text of one that
 * writes Python is a module that other cells import.
 */

const MAGIC = /^\s*%%(?:writefile|file)[ \t]+([^\n]*)/;

/** What the cell writes; undefined for a cell that writes no Python. */
export function writtenBy(source: string): Omit<WrittenPart, "cell"> | undefined {
  const [, line] = MAGIC.exec(source) ?? [];
  if (line === undefined) return undefined;
  const words = [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c!);
  const name = words.find((word) => !/^(-a|--append)$/.test(word));
  if (name === undefined || !/\.py$/i.test(name)) return undefined;
  return { path: pathOf(name), append: words.some((word) => /^(-a|--append)$/.test(word)) };
}

/** The folders that notebook services begin in. */
const HOME = /^(\/content|\/kaggle\/working|\/home\/[^/]+|~)\//;

/** With "/", below the notebook's folder. What a variable stands for, `{folder}/model.py`, is left out. */
function pathOf(name: string): string {
  const parts = name.replaceAll("\\", "/").replace(HOME, "").split("/");
  const known = parts.slice(parts.findLastIndex((part) => /[{}$]/.test(part)) + 1);
  return known.filter((part) => part !== "" && part !== "." && part !== "..").join("/");
}

/** The cell's text as what it writes, without the magic, of the same length. */
export function writtenText(source: string): string {
  const [magic] = MAGIC.exec(source)!;
  return blank(magic) + source.slice(magic.length);
}

/** IPython imports what has changed since by itself, before each cell. */
export function reloadsByItself(sources: readonly string[]): boolean {
  return sources.some((source) => /^\s*%autoreload\s+([123]|all|explicit|complete)\b/m.test(source));
}
