import { isFloating } from "../../../../../formats/dtype";
import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { shapeText } from "../../../../../graph/shapes";
import { EvaluationError } from "../../../values/unknown";
import { type BoundArgs, PyError, PyTensor, type Runtime } from "../../../values/values";
import { axisArg, given, isNumber, numberArg, numberOf, stringArg, tensorArg } from "../registry/arguments";
import { define, type Home, inPlace, nodeArg } from "../registry/table";
import { sameMask, selectedRows, whole, withoutOthers } from "../tensor/selectedRows";
import { nodeOf } from "../tensor/tensor";
import { floorDivide } from "./division";

/** Functions that write at the places an index tensor names, each also in place. */

const BOTH: readonly Home[] = ["torch", "tensor"];

function withInPlace(name: string, signature: string, body: (args: BoundArgs, runtime: Runtime) => Node): void {
  define(BOTH, name, signature, body);
  inPlace(name, signature, body);
}

/** The index as a vector; a scalar one stands for one place. */
function vector(args: BoundArgs, runtime: Runtime): Node {
  const index = nodeArg(args, "index", runtime);
  if (index.shape.length > 1) throw new PyError("IndexError", "Index is supposed to be a vector");
  return build.reshape(index, [-1]);
}

function requireFits(x: Node, index: Node, source: Node, axis: number, name: string): void {
  const shape = x.shape.with(axis, index.shape[0]!);
  if (source.shape.length !== shape.length || source.shape.some((d, i) => d !== shape[i])) {
    throw new PyError(
      "RuntimeError",
      `${name}: source ${shapeText(source.shape)} must have the shape ${shapeText(shape)} of the indexed part`,
    );
  }
}

withInPlace("index_add", "input, dim, index, source, *, alpha=1", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const axis = axisArg(args, "dim", x.shape.length);
  const [index, source] = [vector(args, runtime), nodeArg(args, "source", runtime)];
  requireFits(x, index, source, axis, "index_add");
  if (source.dtype !== x.dtype) {
    throw new PyError(
      "RuntimeError",
      `index_add_(): self (${x.dtype}) and source (${source.dtype}) must have the same dtype`,
    );
  }
  const alpha = numberArg(args, "alpha");
  const scaled = alpha === 1 ? source : build.mul(source, build.scalar(alpha, source.dtype));
  const selection = selectedRows(scaled) ?? selectedRows(index);
  if (!selection) return build.add(x, build.scatterAdd(index, scaled, axis, x.shape));
  const rows = selectedRows(index);
  if (
    !rows ||
    !sameMask(rows.mask, selection.mask) ||
    (selectedRows(scaled)?.axis ?? axis) !== axis ||
    !selectedRows(scaled)
  ) {
    throw new EvaluationError(
      "index_add of a selection by a mask needs the index of the same selection",
      runtime.place,
    );
  }
  // The rows that were not selected add zero to wherever their index points.
  return build.add(x, whole(build.scatterAdd(index, withoutOthers(scaled, selection), axis, x.shape)));
});

/** `index` spread over the other axes of `source`, so that a whole slice goes to each place. */
function spreadIndex(index: Node, shape: readonly number[], axis: number): Node {
  const aligned = shape.map((_, i) => (i === axis ? index.shape[0]! : 1));
  return build.expand(build.reshape(index, aligned), shape);
}
withInPlace("index_copy", "input, dim, index, source", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const axis = axisArg(args, "dim", x.shape.length);
  const [index, source] = [vector(args, runtime), nodeArg(args, "source", runtime)];
  requireFits(x, index, source, axis, "index_copy");
  return build.scatterElements(x, spreadIndex(index, source.shape, axis), source, axis);
});
withInPlace("index_fill", "input, dim, index, value", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const axis = axisArg(args, "dim", x.shape.length);
  const index = vector(args, runtime);
  const shape = x.shape.with(axis, index.shape[0]!);
  const { value } = args;
  const filled =
    value instanceof PyTensor
      ? build.expand(build.cast(nodeOf(value, runtime), x.dtype), shape)
      : build.full(numberArg(args, "value"), shape, x.dtype);
  return build.scatterElements(x, spreadIndex(index, shape, axis), filled, axis);
});

/** scatter's source, cut to the index's shape; a number fills it. */
function updates(args: BoundArgs, x: Node, index: Node, runtime: Runtime): Node {
  const source = args.src ?? args.value ?? null;
  if (isNumber(source)) return build.full(numberOf(source), index.shape, x.dtype);
  const tensor = tensorArg({ src: source }, "src");
  const node = nodeOf(tensor, runtime);
  if (node.dtype !== x.dtype) {
    throw new PyError("RuntimeError", "scatter(): Expected self.dtype to be equal to src.dtype");
  }
  if (node.shape.length !== index.shape.length || index.shape.some((d, i) => d > node.shape[i]!)) {
    throw new PyError(
      "RuntimeError",
      `Expected index ${shapeText(index.shape)} to be no larger than src ${shapeText(node.shape)}`,
    );
  }
  return build.slice(
    node,
    node.shape.map(() => 0),
    index.shape,
  );
}

/** Zeros of x's shape with `values` added at `index`; an index smaller than x elsewhere leaves the rest zero. */
function added(x: Node, index: Node, values: Node, axis: number): Node {
  const covered = x.shape.map((d, i) => (i === axis ? d : index.shape[i]!));
  const sums = build.scatterElementsAdd(index, values, axis, covered);
  return build.pad(
    sums,
    x.shape.map(() => 0),
    x.shape.map((d, i) => d - covered[i]!),
  );
}

function scatter(args: BoundArgs, runtime: Runtime): Node {
  const x = nodeArg(args, "input", runtime);
  if (x.shape.length === 0) {
    throw new EvaluationError("scatter into a tensor without dimensions is not supported", runtime.place);
  }
  const axis = axisArg(args, "dim", x.shape.length);
  const index = nodeArg(args, "index", runtime);
  const values = updates(args, x, index, runtime);
  if (!given(args, "reduce")) return build.scatterElements(x, index, values, axis);
  const how = stringArg(args, "reduce");
  if (how === "add" || (how === "sum" && args.include_self !== false)) {
    return build.add(x, added(x, index, values, axis));
  }
  if (how === "sum" || how === "mean") {
    const one = build.scalar(1, x.dtype);
    const count = added(x, index, build.full(1, index.shape, x.dtype), axis);
    const untouched = build.binary("equal", count, build.scalar(0, x.dtype));
    const own = args.include_self !== false;
    const total = own ? build.add(x, added(x, index, values, axis)) : added(x, index, values, axis);
    if (how === "sum") return build.where(untouched, x, total);
    const members = own ? build.add(count, one) : build.where(untouched, one, count);
    return build.where(untouched, x, isFloating(x.dtype) ? build.div(total, members) : floorDivide(total, members));
  }
  throw new EvaluationError(
    `scatter with reduce='${how}' is not supported; 'add', 'sum' and 'mean' are`,
    runtime.place,
  );
}
withInPlace("scatter", "input, dim, index, src=None, *, value=None, reduce=None", scatter);
withInPlace("scatter_reduce", "input, dim, index, src, reduce, *, include_self=True", scatter);
withInPlace("scatter_add", "input, dim, index, src", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const axis = axisArg(args, "dim", x.shape.length);
  const index = nodeArg(args, "index", runtime);
  return build.add(x, added(x, index, updates(args, x, index, runtime), axis));
});
