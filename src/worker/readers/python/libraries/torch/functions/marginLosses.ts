import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { EvaluationError } from "../../../values/unknown";
import { PyError } from "../../../values/values";
import { logSigmoid, softplus } from "./activations";
import { floating, scale, shift } from "./arithmetic";
import { pairwiseDistance } from "./distances";
import { reduced } from "./losses";

/** Losses of distances, margins and distributions; formulas are those of torch.nn.functional's documentation. */

/** What a loss is asked: the options of its signature, of a function's arguments or a layer's. */
export interface LossOptions {
  number(name: string): number;
  flag(name: string): boolean;
  text(name: string): string;
  /** A tensor that may be None. */
  tensor(name: string): Node | undefined;
  /** Calls a function of the source, such as a distance. */
  call(name: string, args: readonly Node[]): Node | undefined;
}

export interface Loss {
  /** In torch.nn.functional and in torch.nn. */
  readonly names: readonly [string, string];
  readonly inputs: string;
  readonly options: readonly [string, string];
  readonly compute: (inputs: readonly Node[], options: LossOptions) => Node;
}

const { binary, unary, scalar, add, sub, mul, div, where } = build;
const like = (x: Node, value: number): Node => scalar(value, x.dtype);
const atLeastZero = (x: Node): Node => binary("maximum", x, like(x, 0));
const LEGACY = "size_average=None, reduce=None, reduction='mean'";
const finish = (loss: Node, options: LossOptions): Node => reduced(loss, options.text("reduction"));
/** x log y, nothing where x is 0. */
function xlogy(x: Node, y: Node): Node {
  const nothing = binary("equal", x, like(x, 0));
  return where(nothing, like(x, 0), mul(x, unary("log", where(nothing, like(y, 1), y))));
}
const sumLast = (x: Node): Node => build.reduce("sum", x, [x.shape.length - 1], false);

function triplet(positiveGap: Node, negativeGap: Node, between: Node | undefined, options: LossOptions): Node {
  const far = between ? binary("minimum", negativeGap, between) : negativeGap;
  return finish(atLeastZero(shift(sub(positiveGap, far), options.number("margin"))), options);
}

export const LOSSES: readonly Loss[] = [
  {
    names: ["kl_div", "KLDivLoss"],
    inputs: "input, target",
    options: [`${LEGACY}, log_target=False`, `${LEGACY}, log_target=False`],
    compute([x, y], options) {
      const loss = options.flag("log_target") ? mul(unary("exp", y!), sub(y!, x!)) : sub(xlogy(y!, y!), mul(y!, x!));
      if (options.text("reduction") !== "batchmean") return finish(loss, options);
      return scale(build.reduceAll("sum", loss), 1 / (x!.shape[0] ?? 1));
    },
  },
  {
    names: ["cosine_embedding_loss", "CosineEmbeddingLoss"],
    inputs: "input1, input2, target",
    options: [`margin=0, ${LEGACY}`, `margin=0.0, ${LEGACY}`],
    compute([a, b, target], options) {
      const size = (x: Node): Node => shift(sumLast(mul(x, x)), 1e-12);
      const cosine = div(sumLast(mul(a!, b!)), unary("sqrt", mul(size(a!), size(b!))));
      const alike = shift(unary("neg", cosine), 1);
      const apart = atLeastZero(shift(cosine, -options.number("margin")));
      const is = (value: number): Node => binary("equal", target!, like(target!, value));
      const zero = like(cosine, 0);
      return finish(add(where(is(1), alike, zero), where(is(-1), apart, zero)), options);
    },
  },
  {
    names: ["triplet_margin_loss", "TripletMarginLoss"],
    inputs: "anchor, positive, negative",
    options: [
      `margin=1.0, p=2, eps=1e-06, swap=False, ${LEGACY}`,
      `margin=1.0, p=2.0, eps=1e-06, swap=False, ${LEGACY}`,
    ],
    compute([anchor, near, far], options) {
      const gap = (x: Node, y: Node): Node => pairwiseDistance(x, y, options.number("p"), options.number("eps"), false);
      const between = options.flag("swap") ? gap(near!, far!) : undefined;
      return triplet(gap(anchor!, near!), gap(anchor!, far!), between, options);
    },
  },
  {
    names: ["triplet_margin_with_distance_loss", "TripletMarginWithDistanceLoss"],
    inputs: "anchor, positive, negative",
    options: [
      "*, distance_function=None, margin=1.0, swap=False, reduction='mean'",
      "*, distance_function=None, margin=1.0, swap=False, reduction='mean'",
    ],
    compute([anchor, near, far], options) {
      const gap = (x: Node, y: Node): Node =>
        options.call("distance_function", [x, y]) ?? pairwiseDistance(x, y, 2, 1e-6, false);
      const between = options.flag("swap") ? gap(near!, far!) : undefined;
      return triplet(gap(anchor!, near!), gap(anchor!, far!), between, options);
    },
  },
  {
    names: ["margin_ranking_loss", "MarginRankingLoss"],
    inputs: "input1, input2, target",
    options: [`margin=0, ${LEGACY}`, `margin=0.0, ${LEGACY}`],
    compute([a, b, target], options) {
      const signed = mul(unary("neg", build.cast(target!, a!.dtype)), sub(a!, b!));
      return finish(atLeastZero(shift(signed, options.number("margin"))), options);
    },
  },
  {
    names: ["hinge_embedding_loss", "HingeEmbeddingLoss"],
    inputs: "input, target",
    options: [`margin=1.0, ${LEGACY}`, `margin=1.0, ${LEGACY}`],
    compute([x, y], options) {
      const zero = like(x!, 0);
      const is = (value: number): Node => binary("equal", y!, like(y!, value));
      const gap = atLeastZero(shift(unary("neg", x!), options.number("margin")));
      return finish(add(where(is(1), zero, gap), where(is(-1), zero, x!)), options);
    },
  },
  {
    names: ["soft_margin_loss", "SoftMarginLoss"],
    inputs: "input, target",
    options: [LEGACY, LEGACY],
    compute: ([x, y], options) =>
      finish(softplus(unary("neg", mul(build.cast(y!, x!.dtype), x!)), 1, Number.POSITIVE_INFINITY), options),
  },
  {
    names: ["multilabel_soft_margin_loss", "MultiLabelSoftMarginLoss"],
    inputs: "input, target",
    options: [`weight=None, ${LEGACY}`, `weight=None, ${LEGACY}`],
    compute([x, y], options) {
      const target = build.cast(y!, x!.dtype);
      const other = shift(unary("neg", target), 1);
      let loss = add(mul(target, logSigmoid(x!)), mul(other, logSigmoid(unary("neg", x!))));
      const weight = options.tensor("weight");
      if (weight) loss = mul(loss, weight);
      return finish(unary("neg", build.reduce("mean", loss, [loss.shape.length - 1], false)), options);
    },
  },
  {
    names: ["multi_margin_loss", "MultiMarginLoss"],
    inputs: "input, target",
    options: [`p=1, margin=1.0, weight=None, ${LEGACY}`, `p=1, margin=1.0, weight=None, ${LEGACY}`],
    compute([given, target], options) {
      const x = given!.shape.length === 1 ? build.reshape(given!, [1, -1]) : given!;
      const classes = x.shape[1]!;
      const index = build.reshape(build.cast(target!, "int64"), [x.shape[0]!, 1]);
      const own = build.gatherElements(x, index, 1);
      let gap = atLeastZero(shift(sub(x, own), options.number("margin")));
      if (options.number("p") === 2) gap = mul(gap, gap);
      const weight = options.tensor("weight");
      if (weight) gap = mul(gap, build.reshape(build.gather(weight, index, 0), [x.shape[0]!, 1]));
      const others = unary("not", binary("equal", build.arange(classes, "int64"), index));
      const loss = build.reduce("sum", where(others, gap, like(gap, 0)), [1], false);
      const mean = scale(loss, 1 / classes);
      return finish(given!.shape.length === 1 ? build.reshape(mean, []) : mean, options);
    },
  },
  {
    names: ["poisson_nll_loss", "PoissonNLLLoss"],
    inputs: "input, target",
    options: [
      "log_input=True, full=False, size_average=None, eps=1e-08, reduce=None, reduction='mean'",
      "log_input=True, full=False, size_average=None, eps=1e-08, reduce=None, reduction='mean'",
    ],
    compute([x, y], options) {
      let loss = options.flag("log_input")
        ? sub(unary("exp", x!), mul(y!, x!))
        : sub(x!, mul(y!, unary("log", shift(x!, options.number("eps")))));
      if (options.flag("full")) {
        // Stirling's approximation of log(y!), for y above 1.
        const above = binary("less", like(y!, 1), y!);
        const safe = where(above, y!, like(y!, 1));
        const log = unary("log", safe);
        const stirling = add(sub(mul(safe, log), safe), scale(unary("log", scale(safe, 2 * Math.PI)), 0.5));
        loss = add(loss, where(above, stirling, like(y!, 0)));
      }
      return finish(loss, options);
    },
  },
  {
    names: ["gaussian_nll_loss", "GaussianNLLLoss"],
    inputs: "input, target, var",
    options: ["full=False, eps=1e-06, reduction='mean'", "*, full=False, eps=1e-06, reduction='mean'"],
    compute([x, y, given], options) {
      let spread = floating(given!);
      if (spread.shape.length === x!.shape.length - 1) spread = build.reshape(spread, [...spread.shape, 1]);
      // The floor stops no gradient of what is above it.
      const variance = binary("maximum", spread, like(spread, options.number("eps")));
      const gap = sub(x!, y!);
      const loss = scale(add(unary("log", variance), div(mul(gap, gap), variance)), 0.5);
      return finish(options.flag("full") ? shift(loss, 0.5 * Math.log(2 * Math.PI)) : loss, options);
    },
  },
  {
    names: ["smooth_l1_loss", "SmoothL1Loss"],
    inputs: "input, target",
    options: [`${LEGACY}, beta=1.0`, `${LEGACY}, beta=1.0`],
    compute([x, y], options) {
      const beta = options.number("beta");
      if (beta < 0) throw new PyError("RuntimeError", "smooth_l1_loss does not support negative values for beta.");
      const gap = unary("abs", sub(x!, y!));
      return finish(beta === 0 ? gap : scale(huber(gap, beta), 1 / beta), options);
    },
  },
  {
    names: ["huber_loss", "HuberLoss"],
    inputs: "input, target",
    options: ["reduction='mean', delta=1.0, weight=None", "reduction='mean', delta=1.0"],
    compute([x, y], options) {
      const delta = options.number("delta");
      if (delta <= 0) throw new PyError("RuntimeError", "huber_loss does not support non-positive values for delta.");
      return finish(huber(unary("abs", sub(x!, y!)), delta), options);
    },
  },
];

/** Half the square up to the edge, and straight from there. */
function huber(gap: Node, edge: number): Node {
  const straight = scale(shift(gap, -0.5 * edge), edge);
  return where(binary("less", gap, like(gap, edge)), scale(mul(gap, gap), 0.5), straight);
}

/** Losses whose computation goes through all alignments, or that are rare: named, and refused. */
export const REFUSED_LOSSES: readonly (readonly [fn: string, layer: string, signature: string])[] = [
  ["ctc_loss", "CTCLoss", "blank=0, reduction='mean', zero_infinity=False"],
  ["multilabel_margin_loss", "MultiLabelMarginLoss", LEGACY],
];
export const refusedLoss = (name: string): EvaluationError => new EvaluationError(`${name} is not supported`);
