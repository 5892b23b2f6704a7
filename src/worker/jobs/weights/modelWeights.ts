import type { ParameterValue } from "../../engines/engine";
import { UserError } from "../../formats/errors";
import { sameShape, shapeText } from "../../graph/shapes";
import type { KeyConversions } from "../../readers/keyConversion";
import type { LoadedPart, Model, ParameterInfo } from "../../readers/model";
import { type Converted, convertCheckpoint, type Origin } from "../checkpoint/conversion";
import { sortMissing } from "../checkpoint/missing";
import { openWeights, weightsIn } from "./open";
import type { WeightsFile } from "./weightFormat";
import { alignNames } from "./weightNames";

/** Values of a model's state dict from weights files. */
export interface GivenWeights {
  readonly values: ReadonlyMap<string, ParameterValue>;
  /** In words, for reports: the files. */
  readonly from: readonly string[];
  /** Further notes for reports. */
  readonly notes: readonly string[];
  /** Parameters that may be missing from the files, and are. */
  readonly initialized: readonly string[];
  /** Keys of the files that the model does not have. */
  readonly unused: readonly string[];
  /** The one checkpoint that the whole model comes from, which a merge rewrites. */
  readonly checkpoint?: SourceCheckpoint;
}

/** A checkpoint, and where it has the tensors of a model. */
export interface SourceCheckpoint {
  readonly file: WeightsFile;
  /** By state-dict path of the model. */
  readonly origins: ReadonlyMap<string, Origin>;
}

/**
 * Those of a file that somebody chose.
 * @throws UserError that lists what is missing, but for what may be (checkpoint/missing.ts), or has another shape.
 */
export async function fileWeights(model: Model, path: string, allowed: readonly string[]): Promise<GivenWeights> {
  const file = await openWeights(path);
  const { stateDict, className } = model;
  const paired = pairWeights(className, stateDict, file, () => model.conversions?.());
  return { ...given(className, stateDict, file, paired, allowed), checkpoint: { file, origins: paired.origins } };
}

/**
 * The values in the folders that the code loads modules from, as `from_pretrained` does. A folder may have only a
 * configuration.
 */
export async function loadedWeights(model: Model, allowed: readonly string[]): Promise<GivenWeights> {
  const all: GivenWeights[] = [];
  const parts = model.checkpoints ?? [];
  for (const part of parts) {
    const weights = await partWeights(model, part, allowed);
    if (weights) all.push(weights);
  }
  return {
    values: new Map(all.flatMap(({ values }) => [...values])),
    from: all.flatMap(({ from }) => from),
    notes: all.flatMap(({ notes }) => notes),
    initialized: all.flatMap(({ initialized }) => initialized),
    unused: all.flatMap(({ unused }) => unused),
    ...(parts.length === 1 && all[0]?.checkpoint && { checkpoint: all[0].checkpoint }),
  };
}

async function partWeights(
  model: Model,
  { path: at, folder, name, keys, conversions }: LoadedPart,
  allowed: readonly string[],
): Promise<GivenWeights | undefined> {
  const path = await weightsIn(folder);
  if (path === undefined) {
    const notes = [`${name} holds a configuration and no weights`];
    return { values: new Map(), from: [], notes, initialized: [], unused: [] };
  }
  const entries = model.stateDict.filter((entry) => keys.has(entry.path));
  // The code has initialized all of it again.
  if (entries.length === 0) return undefined;
  const file = await openWeights(path);
  const asLoaded = entries
    .filter(({ tiedTo }) => tiedTo === undefined || !keys.has(tiedTo))
    .flatMap(({ tiedTo: _, ...entry }) =>
      // A file has one of a tied tensor's names, no matter which.
      keys.get(entry.path)!.map((own, i, [first]) => ({ ...entry, path: own, ...(i > 0 && { tiedTo: first! }) })),
    );
  const paired = pairWeights(model.className, asLoaded, file, conversions);
  if (paired.pairs.size === 0) throw new UserError(`${file.file} holds no weights of ${name}`, { file: path });
  const now = new Map(entries.map((entry) => [keys.get(entry.path)![0]!, entry.path]));
  const weights = given(name, asLoaded, file, paired, [
    ...allowed,
    ...allowed.flatMap((each) => asNamedIn(each, keys)),
  ]);
  const values = new Map<string, ParameterValue>();
  const origins = new Map<string, Origin>();
  for (const entry of entries) {
    const [own] = keys.get(entry.path)!;
    const value = weights.values.get(own!);
    const origin = keys
      .get(entry.path)!
      .map((each) => paired.origins.get(each))
      .find((each) => each !== undefined);
    if (value) values.set(entry.path, value);
    if (origin !== undefined) origins.set(entry.path, origin);
  }
  return {
    ...weights,
    values,
    initialized: weights.initialized.map((own) => now.get(own) ?? own),
    // A part's checkpoint is not the checkpoint of the whole model.
    ...(at === "" && { checkpoint: { file, origins: renamedGroups(origins, now) } }),
  };
}

/** Tensors that were rearranged together, under the paths that they have now. */
function renamedGroups(origins: ReadonlyMap<string, Origin>, now: ReadonlyMap<string, string>): Map<string, Origin> {
  const moved = [...now].some(([own, path]) => own !== path);
  if (!moved) return new Map(origins);
  return new Map(
    [...origins].map(([path, origin]): [string, Origin] => {
      if (typeof origin === "string") return [path, origin];
      const paths = origin.paths.map((own) => now.get(own) ?? own);
      const back: typeof origin.back = (values) =>
        origin.back(new Map(origin.paths.map((own, i) => [own, values.get(paths[i]!)!])));
      return [path, { ...origin, paths, back }];
    }),
  );
}

/** Names of the model's tensors or modules, as named in the loaded part. */
function asNamedIn(name: string, keys: ReadonlyMap<string, readonly string[]>): string[] {
  return [...keys].filter(([path]) => path === name || path.startsWith(`${name}.`)).flatMap(([, own]) => own);
}

function given(
  owner: string,
  entries: readonly ParameterInfo[],
  file: WeightsFile,
  { pairs, missing, extra, note, base }: Paired,
  allowed: readonly string[],
): GivenWeights {
  const { lacking, initialized } = sortMissing(entries, missing, base, allowed);
  if (lacking.length > 0) {
    const place = extra.length > 0 ? ` and has ${list(extra)}, which the model does not have` : "";
    throw new UserError(
      `${file.file} lacks ${list(lacking)} of ${owner}${place}, so these would be random. Check that the weights belong to this model and that their keys are its module paths. To initialize tensors or modules at random, name them with --allow-missing NAMES, or in the editor's setting loraLens.allowMissing`,
      { file: file.file },
    );
  }
  const from = note === undefined ? file.from : `${file.from}, ${note}`;
  return { values: pairs, from: [from], notes: [], initialized, unused: extra };
}

interface Paired {
  readonly pairs: ReadonlyMap<string, ParameterValue>;
  readonly origins: ReadonlyMap<string, Origin>;
  /** Entries that the file does not have, buffers included. */
  readonly missing: ReadonlySet<string>;
  /** Keys of the file that the model does not have. */
  readonly extra: readonly string[];
  /** What names were changed, in words. */
  readonly note: string | undefined;
  /** The base model's module, if the library names one. */
  readonly base: string;
}

/**
 * Pairs the file's tensors with entries of a state dict: by their names, or as the model's library converts them where
 * that pairs more. Throws a UserError for one of another shape.
 */
function pairWeights(
  owner: string,
  entries: readonly ParameterInfo[],
  { tensors, file }: WeightsFile,
  conversions: () => KeyConversions | undefined,
): Paired {
  const paths = new Set(entries.map((entry) => entry.path));
  const same = tensors.size === paths.size && [...tensors.keys()].every((key) => paths.has(key));
  const known = same ? undefined : conversions();
  const shapes = new Map(entries.map(({ path, shape }) => [path, shape as readonly number[]]));
  const found = bestOf(known && convertCheckpoint(known, tensors, shapes), paths, tensors, file);
  // safetensors keeps one of two tied tensors, whichever name came first.
  const stored = new Map<string, string>();
  for (const { path, tiedTo = path } of entries)
    if (found.values.has(path) && (tiedTo === path || !stored.has(tiedTo))) stored.set(tiedTo, path);
  const pairs = new Map<string, ParameterValue>();
  const missing = new Set<string>();
  for (const { path, tiedTo = path, shape } of entries) {
    const value = found.values.get(path) ?? found.values.get(stored.get(tiedTo) ?? "");
    if (!value) missing.add(path);
    else if (!sameShape(value.shape, shape as number[])) {
      throw new UserError(
        `${file}: "${path}" has shape ${shapeText(value.shape)}, but in ${owner} it has ${shapeText(shape as number[])}; these weights belong to a model of another size`,
        { file },
      );
    } else pairs.set(path, value);
  }
  return { pairs, origins: found.origins, missing, extra: found.unused, note: found.note, base: known?.base ?? "" };
}

interface Found extends Converted {
  readonly note: string | undefined;
}

function bestOf(
  converted: Converted | undefined,
  paths: ReadonlySet<string>,
  tensors: ReadonlyMap<string, ParameterValue>,
  file: string,
): Found {
  const byLibrary = converted && {
    ...converted,
    note: [...converted.origins].some(([path, origin]) => path !== origin)
      ? "keys converted as in transformers"
      : undefined,
  };
  if (byLibrary?.values.size === paths.size) return byLibrary;
  const { keys, note } = alignNames([...paths], [...tensors.keys()], file);
  if (byLibrary && byLibrary.values.size >= keys.size) return byLibrary;
  const used = new Set(keys.values());
  return {
    values: new Map([...keys].map(([path, key]) => [path, tensors.get(key)!])),
    origins: keys,
    unused: [...tensors.keys()].filter((key) => !used.has(key)),
    note,
  };
}

/** The first three by name. */
export function list(names: readonly string[]): string {
  const shown = names
    .slice(0, 3)
    .map((name) => `"${name}"`)
    .join(", ");
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}
