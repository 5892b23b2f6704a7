import { UserError } from "../../formats/errors";
import { type Matrix, minusProduct, type Pause, transposedTimes } from "../../numbers/algebra/matrix";
import { firstOrthogonal } from "../../numbers/algebra/orthogonal";
import { largestSingular } from "../../numbers/algebra/singular";
import { CONFIG_FILE } from "../config/adapterConfig";
import { type LoraConfig, scalingOf } from "../config/config";

/**
 * What PEFT does to the base weights when it loads a saved adapter. `init_lora_weights` is kept in the configuration, and
 * PEFT initializes each layer by it before it puts the saved A and B in: whatever that takes from the base weight stays
 * taken. Without the same change here, the saved A and B would count on top of what they were meant to replace.
 *
 * - "pissa" (arXiv 2404.02948): the r largest singular triplets are subtracted; the scaling cancels.
 * - "olora" (arXiv 2406.01775): scaling times the first r columns of Q with the first r rows of R, of the weight as it is
 *   stored, are subtracted. The scaling does not cancel.
 * - true, false, "gaussian", "eva", "orthogonal", "mica" and "lora_ga" leave the base as it is.
 */
export type BaseChange = "pissa" | "olora" | undefined;

interface Initialization {
  readonly init_lora_weights?: unknown;
}

/** The way out for adapters that count on a base that was changed. */
const CONVERT =
  "in PEFT, save the trained adapter again with model.save_pretrained(FOLDER, path_initial_model_for_weight_conversion=INITIAL), where INITIAL is the adapter's folder from before training; that makes it a plain LoRA adapter";

/** Words in the case that PEFT compares. */
const UNCHANGED = new Set(["eva", "orthogonal", "lora_ga"]);
/** Words that PEFT takes in any case. */
const UNCHANGED_IN_ANY_CASE = new Set(["gaussian", "mica"]);

/** Throws a UserError for what PEFT refuses to load, and for what it changes in a way that cannot be repeated. */
export function baseChange(config: Pick<LoraConfig, "r" | "lora_alpha" | "use_rslora"> & Initialization): BaseChange {
  const { init_lora_weights: word = true, r } = config;
  // None, 0 and "" count as false: A and B keep what nn.Linear draws.
  if (word === true || !word || (Array.isArray(word) && word.length === 0)) return undefined;
  if (typeof word !== "string") throw refused(word, "PEFT takes true, false or a word", `correct it in ${CONFIG_FILE}`);
  const lower = word.toLowerCase();
  if (word === "pissa") {
    if (!(scalingOf(config) > 0)) {
      throw refused(
        word,
        `PEFT divides the singular values by the scaling, ${scalingOf(config)}, takes their roots and gets NaN`,
        "choose an adapter with a lora_alpha above 0",
      );
    }
    return "pissa";
  }
  if (lower === "olora") return "olora";
  if (word.startsWith("pissa_niter_")) {
    throw refused(
      word,
      "as it loads the adapter, PEFT subtracts a randomized SVD from each base weight, with other random numbers each time, so the weights it was trained on cannot be computed",
      CONVERT,
    );
  }
  if (word.startsWith("corda")) {
    throw refused(
      word,
      "what CorDA subtracts from the base comes from data that the adapter does not hold, and PEFT cannot load it without",
      CONVERT,
    );
  }
  if (word === "loftq") {
    throw refused(
      word,
      "as it loads the adapter, PEFT replaces the base weights by what bitsandbytes makes of them on a GPU, which is not computed here",
      'save the replaced base with PEFT (model.unload().save_pretrained(...)), set "init_lora_weights" to true in the configuration, and use both',
    );
  }
  if (word === "orthogonal" && r % 2 !== 0) {
    throw refused(word, `PEFT needs an even rank for it, and r is ${r}`, "choose an adapter with an even rank");
  }
  if (UNCHANGED.has(word) || UNCHANGED_IN_ANY_CASE.has(lower)) return undefined;
  throw refused(
    word,
    `PEFT does not know it${[...UNCHANGED, "pissa"].includes(lower) ? ` in this case of letters; it knows "${lower}"` : ""}`,
    `correct it in ${CONFIG_FILE}; known are true, false, "gaussian", "eva", "orthogonal", "mica", "lora_ga", "pissa" and "olora"`,
  );
}

function refused(word: unknown, why: string, what: string): UserError {
  return new UserError(`init_lora_weights is ${JSON.stringify(word)}, which cannot be used: ${why}. To go on, ${what}`);
}

/** What there is to know of an adapter whose base PEFT leaves as it is, though it was trained on a changed one. */
export function changeWarning({ init_lora_weights: word }: LoraConfig): string | undefined {
  if (word !== "lora_ga") return undefined;
  return `init_lora_weights is "lora_ga": as PEFT does, the adapter is put on the base weights that are given, which is right only if they are the ones saved after LoRA-GA changed them. For the original weights, ${CONVERT}.`;
}

/** A layer's weight as it is stored: [in, out] with `fanInFanOut`, else [out, in]. */
export interface StoredWeight {
  readonly path: string;
  readonly matrix: Matrix;
  readonly fanInFanOut: boolean;
}

/** What PEFT leaves of a weight, and the A and B that it starts from: residual + scaling * B A is the weight again. */
export interface ChangedWeight {
  readonly residual: Matrix;
  /** min(r, in, out) rows of [in]. */
  readonly a: readonly Float64Array[];
  /** min(r, in, out) columns of [out]. */
  readonly b: readonly Float64Array[];
  /** What makes the residual uncertain, when something does. */
  readonly warning?: string;
}

export async function changedWeight(
  change: NonNullable<BaseChange>,
  weight: StoredWeight,
  config: LoraConfig,
  pause: Pause,
  onProgress: (fraction: number) => void = () => {},
): Promise<ChangedWeight> {
  if (!weight.matrix.data.every(Number.isFinite)) {
    throw new UserError(
      `the base weight ${weight.path} holds values that are not finite, so what init_lora_weights "${change}" subtracts from it cannot be computed; use other base weights`,
    );
  }
  return change === "pissa" ? pissa(weight, config, pause, onProgress) : olora(weight, config, pause);
}

/**
 * Two singular values nearer than this, relative to the largest, are one to float32: which r vectors are subtracted is
 * then decided by rounding, on PEFT's side, too.
 */
const SAME = 3e-6;
/** Nearer than this, rounding moves the residual by more than a thousandth of their size. */
const NEAR = 1e-4;

async function pissa(
  { path, matrix, fanInFanOut }: StoredWeight,
  config: LoraConfig,
  pause: Pause,
  onProgress: (fraction: number) => void,
): Promise<ChangedWeight> {
  const count = Math.min(config.r, matrix.rows, matrix.columns);
  const { values, leftTimesValues, right } = await largestSingular(matrix, count, pause, onProgress);
  const [first, last, next = 0] = [values[0]!, values[count - 1]!, values[count]];
  const gap = first > 0 ? (last - next) / first : 1;
  // What is subtracted is unique where the last value is nothing.
  const matters = count < values.length && last > SAME * first;
  if (matters && gap < SAME) {
    throw new UserError(
      `init_lora_weights is "pissa", and singular values ${count} and ${count + 1} of ${path} are equal within float32's rounding, so which of them PEFT subtracts depends on the machine. To go on, ${CONVERT}`,
    );
  }
  const warning =
    matters && gap < NEAR
      ? `Singular values ${count} and ${count + 1} of ${path} differ by ${(100 * gap).toPrecision(1)} % of the largest: what PiSSA subtracts there depends on rounding, in PEFT, too.`
      : undefined;
  const scaling = scalingOf(config);
  // B is [out, r]: left vectors where the weight is [out, in].
  const scaled = (vectors: readonly Float64Array[], factor: (value: number) => number) =>
    vectors.map((vector, k) => vector.map((x) => x * factor(values[k]!)));
  const left = scaled(leftTimesValues, (value) => (value > 0 ? 1 / Math.sqrt(scaling * value) : 0));
  const rightward = scaled(right, (value) => Math.sqrt(value / scaling));
  return {
    residual: await minusProduct(matrix, leftTimesValues, right, 1, pause),
    a: fanInFanOut ? left : rightward,
    b: fanInFanOut ? rightward : left,
    ...(warning !== undefined && { warning }),
  };
}

/** Below this part of its length, rounding decides the direction in which a column differs from those before it. */
const DEPENDENT = 1e-5;

async function olora(
  { path, matrix, fanInFanOut }: StoredWeight,
  config: LoraConfig,
  pause: Pause,
): Promise<ChangedWeight> {
  const { rows, columns } = matrix;
  if (fanInFanOut && rows !== columns) {
    throw new UserError(
      `init_lora_weights is "olora", and ${path} is stored [in, out]: PEFT then gives A and B shapes that do not fit the layer and cannot load the adapter. Leave the layer out of the target modules`,
    );
  }
  const count = Math.min(config.r, rows, columns);
  const { q, weakest } = firstOrthogonal(matrix, count);
  if (weakest < DEPENDENT) {
    throw new UserError(
      `init_lora_weights is "olora", and the first ${count} columns of ${path} depend on one another, so what PEFT subtracts is decided by rounding. To go on, ${CONVERT}`,
    );
  }
  const r = await transposedTimes(matrix, q, pause);
  return {
    residual: await minusProduct(matrix, q, r, scalingOf(config), pause),
    a: r,
    b: q,
    ...(fanInFanOut && {
      warning: `${path} is stored [in, out], which PEFT's OLoRA does not heed: the adapter began with the transpose of what was subtracted, so it never was an identity. It computes as in PEFT.`,
    }),
  };
}
