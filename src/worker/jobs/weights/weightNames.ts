import { UserError } from "../../formats/errors";

/**
 * Keys of weights files that differ from the model's own because the model was wrapped when it was saved:
 * DataParallel's `module.`, torch.compile's `_orig_mod.`, Lightning's `model.`, and the base model's name, which
 * Hugging Face models have only with a head.
 */

export interface AlignedNames {
  /** From the model's keys to the file's, where the file has one. */
  readonly keys: ReadonlyMap<string, string>;
  /** What was changed, in words; undefined when nothing was. */
  readonly note?: string;
}

interface Renaming {
  readonly note?: string;
  readonly rename: (key: string) => string;
}

/** First parts of keys that are tried as a prefix; a model has a handful of children. */
const MOST_PREFIXES = 64;

const AS_THEY_ARE: Renaming = { rename: (key) => key };

/**
 * Pairs the model's paths with the file's keys: unchanged if that pairs most, else by the renaming that pairs most.
 * Throws a UserError when two parts of the file fit the model equally well.
 */
export function alignNames(paths: readonly string[], keys: readonly string[], file: string): AlignedNames {
  const wanted = new Set(paths);
  const asTheyAre = pair(AS_THEY_ARE, wanted, keys);
  if (asTheyAre.size === wanted.size) return { keys: asTheyAre };
  let best: { renaming: Renaming; pairs: Map<string, string> } = { renaming: AS_THEY_ARE, pairs: asTheyAre };
  let rival: Renaming | undefined;
  for (const renaming of renamings(paths, keys)) {
    const pairs = pair(renaming, wanted, keys);
    if (pairs.size > best.pairs.size) {
      best = { renaming, pairs };
      rival = undefined;
    } else if (pairs.size === best.pairs.size && pairs.size > asTheyAre.size && differ(pairs, best.pairs)) {
      rival = renaming;
    }
  }
  if (rival && best.pairs.size === wanted.size) {
    throw new UserError(
      `${file} fits the model in two ways, ${best.renaming.note} and ${rival.note}; save the state dict of one model only`,
      { file },
    );
  }
  const { note } = best.renaming;
  return { keys: best.pairs, ...(note === undefined ? {} : { note }) };
}

/** The model's paths that the file has under the new names. A key that needs no renaming comes first. */
function pair({ rename }: Renaming, wanted: ReadonlySet<string>, keys: readonly string[]): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const key of keys) {
    const name = rename(key);
    if (wanted.has(name) && (!pairs.has(name) || name === key)) pairs.set(name, key);
  }
  return pairs;
}

function differ(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  for (const [path, key] of a) if (b.get(path) !== key) return true;
  return false;
}

function* renamings(paths: readonly string[], keys: readonly string[]): Generator<Renaming> {
  const wrapped = keys.some((key) => unwrapped(key) !== key);
  const starts: Renaming[] = wrapped ? [{ note: wrapperWords(keys), rename: unwrapped }, AS_THEY_ARE] : [AS_THEY_ARE];
  for (const start of starts) {
    if (start.note !== undefined) yield start;
    for (const prefix of prefixesOf(keys.map(start.rename))) {
      yield {
        note: both(start.note, `without the prefix "${prefix}" of its keys`),
        rename: (key) => withoutPrefix(start.rename(key), prefix),
      };
    }
    const known = new Set(paths);
    for (const prefix of prefixesOf(paths)) {
      yield {
        note: both(start.note, `with the prefix "${prefix}" put before its keys`),
        rename: (key) => {
          const name = start.rename(key);
          return known.has(name) ? name : prefix + name;
        },
      };
    }
  }
}

function unwrapped(key: string): string {
  return key.replace(/(^|\.)_orig_mod\.(?:_orig_mod\.)*/g, "$1").replace(/^(?:module\.)+/, "");
}

function wrapperWords(keys: readonly string[]): string {
  const wrappers = [
    ...(keys.some((key) => key.includes("_orig_mod.")) ? ['torch.compile\'s "_orig_mod."'] : []),
    ...(keys.some((key) => /^(_orig_mod\.)?module\./.test(key)) ? ['DataParallel\'s "module."'] : []),
  ];
  return `without ${wrappers.join(" and ")} in its keys`;
}

function both(first: string | undefined, second: string): string {
  return first === undefined ? second : `${first}, ${second}`;
}

function withoutPrefix(key: string, prefix: string): string {
  return key.startsWith(prefix) ? key.slice(prefix.length) : key;
}

/** The different first one and two parts of the names, with their dot. */
function prefixesOf(names: readonly string[]): Set<string> {
  const prefixes = new Set<string>();
  for (const name of names) {
    const parts = name.split(".");
    for (let n = 1; n <= 2 && n < parts.length; n++) {
      if (prefixes.size >= MOST_PREFIXES) return prefixes;
      prefixes.add(`${parts.slice(0, n).join(".")}.`);
    }
  }
  return prefixes;
}
