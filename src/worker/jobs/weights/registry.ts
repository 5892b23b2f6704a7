import type { ModelFormat } from "../../../protocol/commands";
import type { WeightFiles } from "../../../protocol/messages";
import { inWords } from "../../formats/errors";
import { KERAS } from "./keras";
import { SAFETENSORS } from "./safetensors";
import { TORCH } from "./torch";
import type { WeightFormat } from "./weightFormat";

/** All formats. A list for a model shows the files of the first format first. */
export const WEIGHT_FORMATS: readonly WeightFormat[] = [KERAS, SAFETENSORS, TORCH];

/** Files of training next to the weights that are not the model's. */
export const NOT_WEIGHTS = /^(adapter_|optimizer|scheduler|scaler|training_args|rng_state)/i;
/** Shards: users choose their index, or for TensorFlow.js the model's JSON. */
const SHARDS = /^weights\.bin$|-\d{5}-of-\d{5}\.|-shard\d+of\d+\./;

/** File names of a folder's weights, the preferred first. */
export const USUAL_NAMES: readonly string[] = WEIGHT_FORMATS.flatMap(({ usualNames }) => usualNames);

/** The format of a file, by its name; an index is PyTorch's unless its name says otherwise. */
export function formatOf(file: string): WeightFormat | undefined {
  const name = file.toLowerCase();
  const has = (endings: readonly string[]) => endings.some((ending) => name.endsWith(ending));
  if (name.endsWith(".index.json")) return WEIGHT_FORMATS.find((format) => has(format.indexEndings)) ?? TORCH;
  return WEIGHT_FORMATS.find((format) => has(endingsOf(format)));
}

/** Whether a file of this name holds tensors under the state dict's names: other formats are the model's reader's. */
export function isOpenedHere(file: string): boolean {
  return formatOf(file)?.open !== undefined;
}

function endingsOf({ endings, rareEndings = [] }: WeightFormat): readonly string[] {
  return [...endings, ...rareEndings];
}

/** Endings of the files that are opened here. */
export function endingsOpened(): string[] {
  return WEIGHT_FORMATS.filter((format) => format.open).flatMap(endingsOf);
}

/** Describes where the weights of a model in the format `model` may be. */
export function weightFilesFor(model: ModelFormat): WeightFiles {
  const formats = WEIGHT_FORMATS.filter(({ models }) => models.includes(model));
  const offered = formats.flatMap(({ endings, indexEndings }) => [...endings, ...indexEndings]);
  const all = formats.flatMap((format) => [...endingsOf(format), ...format.indexEndings]);
  const extensions = [...new Set(all.map((ending) => ending.slice(ending.lastIndexOf(".") + 1)))];
  return { endings: offered, extensions, hidden: [NOT_WEIGHTS.source, SHARDS.source] };
}

/** Completes "weights: ". */
export function weightsHelp(): string {
  const own = WEIGHT_FORMATS.filter((format) => !format.open);
  return [
    `a ${inWords(endingsOpened(), "or")} file, an index of shards, or a folder with one`,
    ...own.map((format) => `for models of ${format.name} also ${inWords(endingsOf(format), "or")}`),
  ].join("; ");
}
