import { isFloating } from "../../../../../formats/dtype";
import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { sameShape, shapeText } from "../../../../../graph/shapes";
import { type BoundArgs, PyError, type Runtime } from "../../../values/values";
import { boolArg, given, intArg, numberArg, optionalTensor, stringArg } from "../registry/arguments";
import { define, nodeArg } from "../registry/table";
import { reduceRows } from "../tensor/selectedRows";
import { nodeOf } from "../tensor/tensor";
import { softplus } from "./activations";
import { arithmetic, scale, shift } from "./arithmetic";

/** Losses of torch.nn.functional; formulas are those of its documentation. */

export function reduced(loss: Node, reduction: string): Node {
  switch (reduction) {
    case "none":
      return loss;
    case "mean":
      return reduceRows("mean", loss, allAxes(loss), false);
    case "sum":
      return reduceRows("sum", loss, allAxes(loss), false);
    default:
      throw new PyError("ValueError", `${reduction} is not a valid value for reduction`);
  }
}

/** What a loss reduces by: `reduction`, unless the older `size_average` or `reduce` is given. */
export function reductionOf(args: BoundArgs): string {
  const [average, reduce] = [args.size_average ?? null, args.reduce ?? null];
  if (average === null && reduce === null) return stringArg(args, "reduction");
  for (const name of ["size_average", "reduce"]) if (given(args, name)) boolArg(args, name);
  if (reduce === false) return "none";
  return average === false ? "sum" : "mean";
}

const allAxes = (x: Node): number[] => x.shape.map((_, i) => i);

interface ClassOptions {
  readonly weight?: Node | undefined;
  readonly ignoreIndex: number;
  readonly reduction: string;
  readonly smoothing?: number;
}

/** Of log-probabilities with the classes in dimension 1 (0 when there is no batch). */
export function negativeLogLikelihood(logs: Node, target: Node, options: ClassOptions): Node {
  const axis = logs.shape.length === 1 ? 0 : 1;
  const rest = logs.shape.filter((_, i) => i !== axis);
  if (rest.length !== target.shape.length || rest.some((d, i) => d !== target.shape[i])) {
    const [batch, own] = [rest[0], target.shape[0]];
    throw new PyError(
      batch !== own ? "ValueError" : "RuntimeError",
      batch !== own
        ? `Expected input batch_size (${batch}) to match target batch_size (${own}).`
        : `the target of a loss over ${shapeText(logs.shape)} has shape ${shapeText(rest)}; this one is ${shapeText(target.shape)}`,
    );
  }
  const index = build.cast(target, "int64");
  const ignored = build.binary("equal", index, build.scalar(options.ignoreIndex, "int64"));
  const safe = build.where(ignored, build.scalar(0, "int64"), index);
  const zero = build.scalar(0, logs.dtype);
  const at = build.reshape(safe, [...rest.slice(0, axis), 1, ...rest.slice(axis)]);
  const picked = build.unary("neg", build.reshape(build.gatherElements(logs, at, axis), rest));
  const weights = options.weight ? build.gather(options.weight, safe, 0) : build.scalar(1, logs.dtype);
  const counted = build.where(ignored, zero, weights);
  let loss = build.mul(picked, counted);
  const smoothing = options.smoothing ?? 0;
  if (smoothing > 0) {
    const lane =
      options.weight &&
      build.reshape(
        options.weight,
        logs.shape.map((d, i) => (i === axis ? d : 1)),
      );
    const spread = build.unary("neg", build.reduce("sum", lane ? build.mul(logs, lane) : logs, [axis], false));
    const uniform = scale(build.where(ignored, zero, spread), smoothing / logs.shape[axis]!);
    loss = build.add(scale(loss, 1 - smoothing), uniform);
  }
  if (options.reduction !== "mean") return reduced(loss, options.reduction);
  return build.div(reduceRows("sum", loss, allAxes(loss), false), reduceRows("sum", counted, allAxes(counted), false));
}

export function crossEntropy(x: Node, target: Node, options: ClassOptions): Node {
  const axis = x.shape.length === 1 ? 0 : 1;
  const logs = build.logSoftmax(x, axis);
  if (!isFloating(target.dtype)) return negativeLogLikelihood(logs, target, options);
  // Class probabilities.
  const smoothing = options.smoothing ?? 0;
  const soft = shift(scale(target, 1 - smoothing), smoothing / x.shape[axis]!);
  const lane =
    options.weight &&
    build.reshape(
      options.weight,
      x.shape.map((d, i) => (i === axis ? d : 1)),
    );
  const product = build.mul(logs, lane ? build.mul(soft, lane) : soft);
  const loss = build.unary("neg", build.reduce("sum", product, [axis], false));
  return reduced(loss, options.reduction);
}

function classOptions(args: BoundArgs, runtime: Runtime): ClassOptions {
  const weight = optionalTensor(args, "weight");
  return {
    weight: weight && nodeOf(weight, runtime),
    ignoreIndex: intArg(args, "ignore_index"),
    reduction: reductionOf(args),
    ...(given(args, "label_smoothing") && { smoothing: numberArg(args, "label_smoothing") }),
  };
}
const CLASSES = "input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction='mean'";
define(["F"], "nll_loss", CLASSES, (args, runtime) =>
  negativeLogLikelihood(nodeArg(args, "input", runtime), nodeArg(args, "target", runtime), classOptions(args, runtime)),
);
define(["F"], "cross_entropy", `${CLASSES}, label_smoothing=0.0`, (args, runtime) =>
  crossEntropy(nodeArg(args, "input", runtime), nodeArg(args, "target", runtime), classOptions(args, runtime)),
);

function requireSameShape(x: Node, y: Node): void {
  if (sameShape(x.shape, y.shape)) return;
  throw new PyError(
    "ValueError",
    `Target size (torch.Size(${shapeText(y.shape)})) must be the same as input size (torch.Size(${shapeText(x.shape)}))`,
  );
}

/** Elementwise losses of (input, target). */
export const pairLosses = {
  mse_loss: (x: Node, y: Node, _positive?: Node): Node => {
    const gap = arithmetic("sub", x, y);
    return build.mul(gap, gap);
  },
  l1_loss: (x: Node, y: Node, _positive?: Node): Node => build.unary("abs", arithmetic("sub", x, y)),
  /** max(x, 0) - x y + log(1 + exp(-|x|)). */
  binary_cross_entropy_with_logits: (x: Node, y: Node, positive?: Node): Node => {
    requireSameShape(x, y);
    if (!positive) return build.sub(softplus(x, 1, Number.POSITIVE_INFINITY), build.mul(x, y));
    // (1 - y) x + (1 + (p - 1) y) log(1 + exp(-x)): the positive class weighs p.
    const weight = shift(build.mul(shift(positive, -1), y), 1);
    const against = build.mul(shift(build.unary("neg", y), 1), x);
    return build.add(against, build.mul(weight, softplus(build.unary("neg", x), 1, Number.POSITIVE_INFINITY)));
  },
  /** Logarithms are cut at -100, as PyTorch does it. */
  binary_cross_entropy: (x: Node, y: Node, _positive?: Node): Node => {
    requireSameShape(x, y);
    const log = (p: Node): Node => build.binary("maximum", build.unary("log", p), build.scalar(-100, p.dtype));
    const other = (p: Node): Node => shift(build.unary("neg", p), 1);
    return build.unary("neg", build.add(build.mul(y, log(x)), build.mul(other(y), log(other(x)))));
  },
} as const;
for (const [name, loss] of Object.entries(pairLosses)) {
  const weighted = name.startsWith("binary") ? "weight=None, " : "";
  define(
    ["F"],
    name,
    `input, target, ${weighted}size_average=None, reduce=None, reduction='mean'${name.endsWith("logits") ? ", pos_weight=None" : ""}`,
    (args, runtime) => {
      const [weight, positive] = [optionalTensor(args, "weight"), optionalTensor(args, "pos_weight")];
      const raw = loss(
        nodeArg(args, "input", runtime),
        nodeArg(args, "target", runtime),
        positive && nodeOf(positive, runtime),
      );
      return reduced(weight ? build.mul(raw, nodeOf(weight, runtime)) : raw, reductionOf(args));
    },
  );
}
