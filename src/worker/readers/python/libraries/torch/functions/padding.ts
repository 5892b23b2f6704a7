import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { EvaluationError } from "../../../values/unknown";
import { PyError } from "../../../values/values";
import { given, intsOf, numberArg, stringArg } from "../registry/arguments";
import { define, nodeArg } from "../registry/table";
import { listable } from "../tensor/listable";

/** torch.nn.functional.pad and its modes. */

/**
 * Padding by mode, one entry of `before` and `after` for every axis. Constant padding may be negative, which cuts.
 * reflect, replicate and circular copy the input's own elements.
 */
export function padMode(
  x: Node,
  before: readonly number[],
  after: readonly number[],
  mode: string,
  value: number,
): Node {
  if (mode === "constant" || mode === "zeros") return constantPad(x, before, after, value);
  if (mode !== "reflect" && mode !== "replicate" && mode !== "circular") {
    throw new PyError("NotImplementedError", `Unrecognised padding mode ${mode}`);
  }
  return x.shape.reduce((y, _, axis) => copyPad(y, axis, before[axis]!, after[axis]!, mode), x);
}

function constantPad(x: Node, before: readonly number[], after: readonly number[], value: number): Node {
  const cut = build.slice(
    x,
    before.map((p) => Math.max(0, -p)),
    x.shape.map((d, i) => d - Math.max(0, -after[i]!)),
  );
  const positive = (p: number): number => Math.max(0, p);
  return build.pad(cut, before.map(positive), after.map(positive), value);
}

function copyPad(
  x: Node,
  axis: number,
  before: number,
  after: number,
  mode: "reflect" | "replicate" | "circular",
): Node {
  if (before === 0 && after === 0) return x;
  const size = x.shape[axis]!;
  const most = mode === "reflect" ? size - 1 : mode === "circular" ? size : Number.POSITIVE_INFINITY;
  if (before > most || after > most || before < 0 || after < 0) {
    throw new PyError(
      "RuntimeError",
      `Padding size should be less than the corresponding input dimension, but got: padding (${before}, ${after}) at dimension ${axis} of size ${size} with mode='${mode}'`,
    );
  }
  const source = (i: number): number => {
    if (i >= 0 && i < size) return i;
    if (mode === "replicate") return i < 0 ? 0 : size - 1;
    if (mode === "circular") return (i + size) % size;
    return i < 0 ? -i : 2 * (size - 1) - i;
  };
  const order = BigInt64Array.from({ length: listable(before + size + after) }, (_, i) => BigInt(source(i - before)));
  return build.gather(x, build.constant(order, [order.length], "int64"), axis);
}

/** PyTorch's pad list: the last axis first, a pair for each. */
export function padSizes(x: Node, sizes: readonly number[]): { before: number[]; after: number[] } {
  if (sizes.length % 2 !== 0) throw new PyError("RuntimeError", "Padding length must be divisible by 2");
  if (sizes.length / 2 > x.shape.length) {
    throw new PyError(
      "RuntimeError",
      `Padding length should be less than or equal to two times the input dimension but got padding length ${sizes.length} and input of dimension ${x.shape.length}`,
    );
  }
  const at = (axis: number, side: number): number => sizes[2 * (x.shape.length - 1 - axis) + side] ?? 0;
  return { before: x.shape.map((_, i) => at(i, 0)), after: x.shape.map((_, i) => at(i, 1)) };
}

define(["F"], "pad", "input, pad, mode='constant', value=None", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const mode = stringArg(args, "mode");
  const { before, after } = padSizes(x, intsOf(args.pad, "pad"));
  if (mode !== "constant" && given(args, "value") && numberArg(args, "value") !== 0) {
    throw new EvaluationError(`pad with mode='${mode}' takes no value`, runtime.place);
  }
  return padMode(x, before, after, mode, given(args, "value") ? numberArg(args, "value") : 0);
});
