import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { inWords, UserError } from "../../formats/errors";
import { endingsOpened, formatOf, isOpenedHere, NOT_WEIGHTS, USUAL_NAMES } from "./registry";
import type { WeightsFile } from "./weightFormat";

/**
 * Weights of a file of one of the formats that are opened here, of an index of shards, or of a folder that holds one of
 * these. Throws a UserError that says what was found instead.
 */
export async function openWeights(path: string): Promise<WeightsFile> {
  const file = await fileOf(path);
  const format = formatOf(file);
  if (format?.open) return format.open(file);
  throw new UserError(
    `${file} does not have the name of a weights file; weights are read from ${inWords(endingsOpened())} files, their .index.json, or a folder with one of them`,
    { file },
  );
}

/** The file itself, or the weights file of a folder. */
async function fileOf(path: string): Promise<string> {
  if (!(await isFolder(path))) return path;
  const file = await weightsIn(path);
  if (file !== undefined) return file;
  throw new UserError(
    `the folder ${path} holds no weights: it has no ${USUAL_NAMES.join(", ")} and no other ${inWords(endingsOpened(), "or")} file`,
    { file: path },
  );
}

/** The weights file of a folder; undefined when it has none. Throws a UserError when it is not clear which it is. */
export async function weightsIn(folder: string): Promise<string | undefined> {
  const names = new Set(await readdir(folder));
  const usual = USUAL_NAMES.find((name) => names.has(name));
  if (usual !== undefined) return join(folder, usual);
  const others = [...names].filter((name) => !NOT_WEIGHTS.test(name) && isOpenedHere(name)).sort();
  if (others.length <= 1) return others[0] && join(folder, others[0]);
  throw new UserError(
    `the folder ${folder} holds ${others.length} weights files (${others.slice(0, 3).join(", ")}${others.length > 3 ? ", …" : ""}); choose one of them`,
    { file: folder },
  );
}

/** A path that does not exist is reported when it is opened. */
async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return false;
  }
}
