import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { PyError } from "../../../values/values";
import { boolArg, numberArg, optionalInt, optionalNumber, optionalTensor, stringArg } from "../registry/arguments";
import { define, nodeArg } from "../registry/table";
import { nodeOf } from "../tensor/tensor";
import { shift } from "./arithmetic";
import { embedding } from "./neural";
import { norm } from "./reductions";

/** Embeddings that are renormalized, and bags of embeddings. */

/** Rows longer than `most` are shortened to it, as max_norm does to the table itself before it is looked at. */
export function renormalized(rows: Node, most: number, p: number): Node {
  const length = norm(rows, p, [rows.shape.length - 1], true);
  const limit = build.scalar(most, rows.dtype);
  const factor = build.div(limit, shift(length, 1e-7));
  return build.where(build.binary("less", limit, length), build.mul(rows, factor), rows);
}

export interface BagOptions {
  readonly mode: string;
  /** [bags]: where each begins in a flat input. */
  readonly offsets?: Node | undefined;
  readonly includesLast: boolean;
  readonly perSample?: Node | undefined;
  readonly padding?: number | undefined;
  readonly maxNorm?: number | undefined;
  readonly normType: number;
}

/** torch.nn.functional.embedding_bag: the sum, mean or largest of each bag's rows. */
export function embeddingBag(given: Node, weight: Node, options: BagOptions): Node {
  const { mode, offsets } = options;
  if (mode !== "sum" && mode !== "mean" && mode !== "max") {
    throw new PyError("ValueError", "mode has to be one of sum or mean or max");
  }
  if (options.perSample && mode !== "sum") {
    throw new PyError(
      "NotImplementedError",
      `embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' (got mode='${mode}').`,
    );
  }
  const flat = given.shape.length === 1;
  if (flat !== (offsets !== undefined)) {
    throw new PyError(
      "ValueError",
      flat ? "offsets has to be a 1D Tensor but got None" : "if input is 2D, then offsets has to be None",
    );
  }
  let rows = embedding(given, weight);
  if (options.maxNorm !== undefined) rows = renormalized(rows, options.maxNorm, options.normType);
  if (options.perSample) rows = build.mul(rows, build.reshape(options.perSample, [...given.shape, 1]));
  // [bags, members, E] with what belongs to each bag.
  let belongs: Node | undefined;
  if (offsets) {
    const length = given.shape[0]!;
    const bags = options.includesLast ? offsets.shape[0]! - 1 : offsets.shape[0]!;
    const position = build.reshape(build.arange(length, "int64"), [1, length]);
    const start = build.reshape(build.cast(build.narrow(offsets, 0, 0, bags), "int64"), [bags, 1]);
    const last = build.full(length, [1], "int64");
    const ends = build.concat(
      options.includesLast
        ? [build.cast(build.narrow(offsets, 0, 1, bags + 1), "int64")]
        : [build.cast(build.narrow(offsets, 0, 1, bags), "int64"), last],
      0,
    );
    const before = build.binary("less", position, build.reshape(ends, [bags, 1]));
    belongs = build.binary("and", build.binary("lessEqual", start, position), before);
    rows = build.reshape(rows, [1, length, weight.shape[1]!]);
  }
  if (options.padding !== undefined) {
    const row = options.padding < 0 ? options.padding + weight.shape[0]! : options.padding;
    const counts = build.unary("not", build.binary("equal", given, build.scalar(row, given.dtype)));
    belongs = belongs ? build.binary("and", belongs, counts) : counts;
  }
  const lanes = belongs && build.reshape(belongs, [...belongs.shape, 1]);
  if (mode === "max") {
    if (!lanes) return build.reduce("max", rows, [1], false);
    const least = build.scalar(Number.NEGATIVE_INFINITY, rows.dtype);
    const top = build.reduce("max", build.where(lanes, rows, least), [1], false);
    // An empty bag is zero.
    return build.where(build.binary("equal", top, least), build.scalar(0, rows.dtype), top);
  }
  const kept = lanes ? build.where(lanes, rows, build.scalar(0, rows.dtype)) : rows;
  const total = build.reduce("sum", kept, [1], false);
  if (mode === "sum") return total;
  if (!belongs) return build.div(total, build.scalar(given.shape[1]!, total.dtype));
  const count = build.reduce("sum", build.cast(belongs, total.dtype), [1], true);
  return build.div(total, build.binary("maximum", count, build.scalar(1, total.dtype)));
}

define(
  ["F"],
  "embedding_bag",
  "input, weight, offsets=None, max_norm=None, norm_type=2, scale_grad_by_freq=False, mode='mean', sparse=False, per_sample_weights=None, include_last_offset=False, padding_idx=None",
  (args, runtime) => {
    const optional = (name: string): Node | undefined => {
      const tensor = optionalTensor(args, name);
      return tensor && nodeOf(tensor, runtime);
    };
    return embeddingBag(nodeArg(args, "input", runtime), nodeArg(args, "weight", runtime), {
      mode: stringArg(args, "mode"),
      offsets: optional("offsets"),
      includesLast: boolArg(args, "include_last_offset"),
      perSample: optional("per_sample_weights"),
      padding: optionalInt(args, "padding_idx"),
      maxNorm: optionalNumber(args, "max_norm"),
      normType: numberArg(args, "norm_type"),
    });
  },
);
define(
  ["F"],
  "embedding",
  "input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False",
  (args, runtime) => {
    const rows = embedding(nodeArg(args, "input", runtime), nodeArg(args, "weight", runtime));
    const most = optionalNumber(args, "max_norm");
    return most === undefined ? rows : renormalized(rows, most, numberArg(args, "norm_type"));
  },
);
