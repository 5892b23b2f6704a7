import { is } from "../../../graph/node";
import type { Problem } from "../../model";
import { pythonMessage } from "../evaluate/errors";
import type { FailedOperation, OperandSeen, Recorder } from "../evaluate/recorder";
import { callsTo, clash, explain, SHAPE_ERRORS } from "../trace/failedTrace";
import type { Failure } from "../trace/trace";
import { PyError } from "../values/values";
import type { Sizes } from "./standInValues";

/** The code's names for the sizes of the stand-ins. */
export interface Words {
  readonly in: string;
  readonly out: string;
  readonly rank: string;
}

export interface Misfit {
  readonly failure: Failure;
  readonly recorder: Recorder;
  readonly sizes: Sizes;
  readonly words: Words;
  /** With as many inputs as outputs it runs. */
  readonly runsSquare: boolean;
  /** The input is certainly the adapted layer's input. */
  readonly isLayer: boolean;
}

const PRODUCTS = new Set(["linear", "@", "matmul", "mm", "forward"]);

/**
 * Factors that do not fit, whatever the sizes are: B(A(x)) with in and out swapped, or a factor that is not transposed.
 * Undefined for other errors, which the stand-ins may have caused. Messages give sizes by name.
 */
export function misfitOf({ failure, recorder, sizes, words, runsSquare, isLayer }: Misfit): Problem | undefined {
  const { error, problems } = failure;
  if (!(error instanceof PyError) || !SHAPE_ERRORS.has(error.type) || !error.place || problems.length > 0)
    return undefined;
  const operation = recorder.failureOf(error);
  if (!operation) return undefined;
  const clashing = sizesOf(operation);
  if (!clashing) return undefined;
  const [left, right] = clashing;
  const known = new Set([sizes.in, sizes.out, sizes.rank]);
  if (!known.has(left) || !known.has(right)) return undefined;
  const isProduct = PRODUCTS.has(operation.name);
  // What the input has may be another thing than a stand-in has; what the first factor gives is the rank.
  // A sum with the input itself is for layers that give what they take.
  const isSum = isLayer && !operation.operands.some(({ tensor }) => tensor.node && is(tensor.node, "input"));
  const isSwapped = runsSquare && left !== right && ![left, right].includes(sizes.rank) && (isProduct || isSum);
  const isTurned = isProduct && left === sizes.rank;
  if (!isSwapped && !isTurned) return undefined;
  const inWords = (text: string) =>
    text
      .replaceAll(/\[2, 5, /g, "[..., ")
      .replaceAll(new RegExp(`\\b${sizes.in}\\b`, "g"), words.in)
      .replaceAll(new RegExp(`\\b${sizes.out}\\b`, "g"), words.out)
      .replaceAll(new RegExp(`\\b${sizes.rank}\\b`, "g"), words.rank);
  const explained = inWords(explain(operation) ?? pythonMessage(error));
  const why = isSwapped
    ? ` ${words.in} and ${words.out} are swapped, which only works if they are equal: A takes ${words.in} features, B returns ${words.out}, and a Linear's weight is [out_features, in_features].`
    : "";
  const related = callsTo(operation).map(({ place, message }) => ({ place, message: inWords(message) }));
  return { place: error.place, severity: "error", code: "lora-transposed", message: `${explained}.${why}`, related };
}

/** The sizes that should be equal: what the left side has and what the right side takes. */
function sizesOf({ name, layer, operands }: FailedOperation): readonly [number, number] | undefined {
  const [a, b] = operands;
  if (!a) return undefined;
  const left = a.tensor.shape.at(-1);
  const right = layer ? layer.module?.options.in_features : takes(name, a, b);
  return typeof left === "number" && typeof right === "number" ? [left, right] : undefined;
}

function takes(name: string, a: OperandSeen, b: OperandSeen | undefined): number | undefined {
  if (!b) return undefined;
  if (name === "linear") return b.tensor.shape.at(-1);
  if (PRODUCTS.has(name)) return b.tensor.shape.at(-2);
  return clash(a.tensor.shape, b.tensor.shape) === -1 ? b.tensor.shape.at(-1) : undefined;
}
