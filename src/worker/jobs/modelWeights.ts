import type { ParameterValue } from "../engines/engine";
import { UserError } from "../formats/errors";
import { sameShape, shapeText } from "../graph/shapes";
import type { Model, ParameterInfo } from "../readers/model";
import { alignNames } from "./weightNames";
import { openWeights, weightsIn } from "./weights";

/** Values of a model's state dict from weights files. */
export interface GivenWeights {
  readonly values: ReadonlyMap<string, ParameterValue>;
  /** In words, for reports: the files. */
  readonly from: readonly string[];
  /** What there is to say besides. */
  readonly said: readonly string[];
}

/** Those of a file that somebody chose. Throws a UserError that lists what is missing or has another shape. */
export async function fileWeights(model: Model, path: string): Promise<GivenWeights> {
  const { tensors, file, from } = await openWeights(path);
  const { pairs, missing, extra, said } = pairWeights(model.className, model.stateDict, tensors, file);
  if (missing.length > 0) {
    throw new UserError(
      `${file} lacks ${list(missing)} of ${model.className}${extra.length > 0 ? ` and holds ${list(extra)} that the model does not have` : ""}; the keys must be the model's own module paths`,
      { file },
    );
  }
  return { values: pairs, from: [said === undefined ? from : `${from}, ${said}`], said: [] };
}

/**
 * Those in the folders that the code loads modules from, as `from_pretrained` does: what such a file lacks, a head for
 * other labels, keeps its initial values. A folder may hold a configuration alone.
 */
export async function loadedWeights(model: Model): Promise<GivenWeights> {
  const values = new Map<string, ParameterValue>();
  const [from, said]: [string[], string[]] = [[], []];
  for (const { folder, name, keys } of model.checkpoints ?? []) {
    const file = await weightsIn(folder);
    if (file === undefined) {
      said.push(`${name} holds a configuration and no weights`);
      continue;
    }
    const opened = await openWeights(file);
    const entries = model.stateDict.filter(({ path }) => keys.has(path));
    // All of it has been drawn anew.
    if (entries.length === 0) continue;
    const asLoaded = entries
      .filter(({ tiedTo }) => tiedTo === undefined || !keys.has(tiedTo))
      .flatMap(({ tiedTo: _, ...entry }) =>
        // A file keeps one of a tied tensor's names, whichever.
        keys.get(entry.path)!.map((path, i, [first]) => ({ ...entry, path, ...(i > 0 && { tiedTo: first! }) })),
      );
    const matched = pairWeights(model.className, asLoaded, opened.tensors, opened.file);
    if (matched.pairs.size === 0) throw new UserError(`${opened.file} holds no weights of ${name}`, { file });
    for (const { path } of entries) {
      const value = matched.pairs.get(keys.get(path)![0]!);
      if (value) values.set(path, value);
    }
    from.push(matched.said === undefined ? opened.from : `${opened.from}, ${matched.said}`);
  }
  return { values, from, said };
}

interface Paired {
  readonly pairs: ReadonlyMap<string, ParameterValue>;
  /** Parameters that the file does not have. */
  readonly missing: readonly string[];
  /** Keys of the file that the model does not have. */
  readonly extra: readonly string[];
  /** What names were changed, in words. */
  readonly said: string | undefined;
}

/** Pairs the file's tensors with entries of a state dict. Throws a UserError for one of another shape. */
function pairWeights(
  owner: string,
  entries: readonly ParameterInfo[],
  tensors: ReadonlyMap<string, ParameterValue>,
  file: string,
): Paired {
  const paths = entries.map((entry) => entry.path);
  const { keys, said } = alignNames(paths, [...tensors.keys()], file);
  // safetensors keeps one of two tied tensors, whichever name came first.
  const stored = new Map<string, string>();
  for (const { path, tiedTo = path } of entries) {
    const key = keys.get(path);
    if (key !== undefined && (tiedTo === path || !stored.has(tiedTo))) stored.set(tiedTo, key);
  }
  const pairs = new Map<string, ParameterValue>();
  const missing: string[] = [];
  for (const { path, tiedTo = path, shape, buffer } of entries) {
    const key = keys.get(path) ?? stored.get(tiedTo);
    const value = key === undefined ? undefined : tensors.get(key);
    if (!value) {
      if (!buffer) missing.push(path);
    } else if (!sameShape(value.shape, shape as number[])) {
      throw new UserError(
        `${file}: "${path}" has shape ${shapeText(value.shape)}, but ${owner} has ${shapeText(shape as number[])} there; these weights belong to a model of another size`,
        { file },
      );
    } else {
      pairs.set(path, value);
    }
  }
  const used = new Set(keys.values());
  return { pairs, missing, extra: [...tensors.keys()].filter((key) => !used.has(key)), said };
}

/** The first three by name. */
export function list(names: readonly string[]): string {
  const shown = names
    .slice(0, 3)
    .map((name) => `"${name}"`)
    .join(", ");
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}
