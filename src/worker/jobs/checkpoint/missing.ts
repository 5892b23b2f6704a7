import type { ParameterInfo } from "../../readers/model";

/** Tensors that a model needs and its weights do not have. */
export interface Missing {
  /** Tensors without which its numbers would be random: an error. */
  readonly lacking: readonly string[];
  /** Tensors that may be initialized at random: whole modules at the model's end, and those that the user allowed. */
  readonly initialized: readonly string[];
}

/**
 * Sorts what is missing. A checkpoint may have nothing of whole modules at the end of a model, or of its base model: a
 * head for other labels, a pooler. Any other missing tensor is a mistake: names that differ, a layer too few.
 *
 * `entries`: the state dict under the names that the checkpoint is for, in order. `base`: the module that models with a
 * head keep the base model in, or "". `allowed`: names of tensors or modules.
 */
export function sortMissing(
  entries: readonly ParameterInfo[],
  missing: ReadonlySet<string>,
  base: string,
  allowed: readonly string[],
): Missing {
  const needed = entries.filter((entry) => entry.tiedTo === undefined && isNeeded(entry)).map(({ path }) => path);
  const absent = needed.filter((path) => missing.has(path));
  const isAllowed = (path: string) => allowed.some((name) => path === name || path.startsWith(`${name}.`));
  // Weights with less than half of a model's tensors belong to another model.
  const atEnd = 2 * absent.length <= needed.length ? new Set(endsWith(needed, missing, "", base)) : new Set<string>();
  const initialized = absent.filter((path) => atEnd.has(path) || isAllowed(path));
  const fresh = new Set(initialized);
  return { initialized, lacking: absent.filter((path) => !fresh.has(path)) };
}

/** Buffers are mostly what a model computes for itself, but for the statistics that normalization gathers in training. */
function isNeeded({ path, buffer }: ParameterInfo): boolean {
  return !buffer || /(^|\.)running_(mean|var)$/.test(path);
}

/** Tensors of the last modules below `prefix`, as long as all of each is missing. */
function endsWith(needed: readonly string[], missing: ReadonlySet<string>, prefix: string, base: string): string[] {
  const byChild = new Map<string, string[]>();
  for (const path of needed) {
    if (!path.startsWith(prefix) || !path.includes(".", prefix.length)) continue;
    const child = path.slice(0, path.indexOf(".", prefix.length));
    byChild.set(child, [...(byChild.get(child) ?? []), path]);
  }
  const found: string[] = [];
  for (const [child, paths] of [...byChild].reverse()) {
    if (paths.every((path) => missing.has(path))) found.push(...paths);
    else {
      if (child === base && prefix === "") found.push(...endsWith(needed, missing, `${child}.`, base));
      break;
    }
  }
  return found;
}

/** The paths, with a module's path in place of all paths in it: "classifier" for its weight and bias. */
export function inModules(paths: readonly string[], all: readonly string[]): string[] {
  const chosen = new Set(paths);
  const isWhole = (module: string) => all.every((path) => chosen.has(path) || !path.startsWith(`${module}.`));
  const named = paths.map((path) => {
    const parts = path.split(".");
    const module = parts.map((_, i) => parts.slice(0, i).join(".")).find((each) => each !== "" && isWhole(each));
    return module ?? path;
  });
  return [...new Set(named)];
}
