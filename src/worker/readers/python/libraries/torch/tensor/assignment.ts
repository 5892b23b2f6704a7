import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { broadcast } from "../../../../../graph/shapes";
import { writeBox } from "../../../values/storage";
import { EvaluationError } from "../../../values/unknown";
import { type BoundArgs, PyError, PyTensor, PyTuple, type Runtime, type Value } from "../../../values/values";
import { boolArg, isNumber, numberOf, sequenceOf, tensorArg } from "../registry/arguments";
import { firstUnknown, guarded } from "../registry/native";
import { define, inPlace, nodeArg } from "../registry/table";
import { index, type Selection, select, tensorIndex } from "./indexing";
import { sameMask, selectedRows, withoutOthers } from "./selectedRows";
import { nodeOf, replaceValue, wrap } from "./tensor";

/** x[...] = value, by slices, masks and index tensors, and the functions that assign by index or by mask. */

/** As a new value of the same tensor. */
export function tensorSetIndex(tensor: PyTensor, key: Value, value: Value, runtime: Runtime): void {
  const unknown = firstUnknown([key, value]) ?? tensor.unknown;
  if (unknown)
    throw new EvaluationError(
      `this assignment depends on a value that is unknown because ${unknown.reason}`,
      unknown.place ?? runtime.place,
    );
  guarded(runtime, () => {
    const x = nodeOf(tensor, runtime);
    let update: Node;
    if (isNumber(value)) update = build.scalar(numberOf(value), x.dtype);
    else if (value instanceof PyTensor) update = build.cast(nodeOf(value, runtime), x.dtype);
    else throw new PyError("TypeError", "can't assign this value to a tensor's elements", runtime.place);
    replaceValue(tensor, assigned(x, select(x, key, runtime), update, runtime), runtime);
    return null;
  });
}

function assigned(x: Node, selection: Selection, update: Node, runtime: Runtime): Node {
  if (selection.mask) return assignMasked(x, selection, selection.mask, update, runtime);
  if (selection.indices.length > 0) return assignAt(x, selection, update, false);
  return assignBox(x, selection, update);
}

/** The update as broadcast to what is selected; PyTorch drops its leading dimensions of size 1. */
function spreadOver(update: Node, shape: readonly number[]): Node {
  const extra = Math.max(0, update.shape.length - shape.length);
  const fitting = update.shape.slice(0, extra).every((d) => d === 1)
    ? build.reshape(update, update.shape.slice(extra))
    : update;
  broadcast(fitting.shape, shape, "the assigned value and the selection");
  return build.expand(fitting, shape);
}

/** Writes `update` over the selected box. */
function assignBox(x: Node, selection: Selection, update: Node): Node {
  const { starts, ends, steps, shape } = selection;
  const box = starts.map((s, i) => Math.max(0, Math.ceil((ends[i]! - s) / steps[i]!)));
  if (box.some((d) => d === 0)) return x;
  return writeBox(x, selection, build.reshape(spreadOver(update, shape), box));
}

/** At index tensors: where an index comes twice, its last value stays, or all are added up. */
function assignAt(x: Node, selection: Selection, update: Node, accumulate: boolean): Node {
  const size = x.shape.reduce((n, d) => n * d, 1);
  // The same selection of the elements' numbers says where each value goes.
  const places = index(build.reshape(build.arange(size, "int64"), x.shape), selection);
  const flat = build.reshape(places, [-1]);
  const values = build.reshape(spreadOver(update, places.shape), [-1]);
  const lane = build.reshape(x, [-1]);
  const written = accumulate
    ? build.add(lane, build.scatterElementsAdd(flat, values, 0, [size]))
    : build.scatterElements(lane, flat, values, 0);
  return build.reshape(written, x.shape);
}

/** Through a mask, which keeps the shape: each place takes its value or stays. */
function assignMasked(
  x: Node,
  selection: Selection,
  mask: { readonly axis: number; readonly node: Node },
  update: Node,
  runtime: Runtime,
): Node {
  const { indices: _, ...box } = selection;
  const part = index(x, { ...box, indices: [] });
  const covered = mask.node.shape.length;
  const rest = part.shape.slice(mask.axis + covered);
  const lanes = build.reshape(mask.node, [...mask.node.shape, ...rest.map(() => 1)]);
  const values = maskedUpdate(part, mask, rest, update, runtime);
  return assignBox(x, selection, build.where(lanes, values, part));
}

/** The values of a masked assignment, aligned with all the places the mask covers. */
function maskedUpdate(
  part: Node,
  { node: mask, axis }: { readonly axis: number; readonly node: Node },
  rest: readonly number[],
  update: Node,
  runtime: Runtime,
): Node {
  const rows = selectedRows(update);
  if (rows) {
    if (!sameMask(rows.mask, mask) || update.shape.length - rows.axis - 1 !== rest.length) {
      throw new EvaluationError("the values assigned through a mask were selected by another mask", runtime.place);
    }
    const before = update.shape.slice(0, rows.axis);
    return build.reshape(withoutOthers(update, rows), [...before, ...mask.shape, ...rest]);
  }
  const lead = update.shape.length - rest.length - 1;
  if (lead < 0) return update;
  const ones = mask.shape.map(() => 1);
  if (update.shape[lead] === 1) {
    return build.reshape(update, [...update.shape.slice(0, lead), ...ones, ...update.shape.slice(lead + 1)]);
  }
  if (lead > 0 || axis > 0) {
    throw new EvaluationError(
      "assigning a tensor through a boolean mask is supported where its shape does not depend on the mask, and where the mask covers the first dimensions",
      runtime.place,
    );
  }
  // As many rows as the mask has true elements, in order.
  const aligned = inOrder(mask, update);
  return build.expand(build.reshape(aligned, [...mask.shape, ...update.shape.slice(1)]), part.shape);
}

/** Row k of the source for the mask's k-th true element; what stands at the others means nothing. */
function inOrder(mask: Node, source: Node): Node {
  const flat = build.cast(build.reshape(mask, [-1]), "int64");
  const count = build.sub(build.cumsum(flat, 0), build.scalar(1, "int64"));
  const last = build.scalar(source.shape[0]! - 1, "int64");
  const place = build.binary("maximum", build.binary("minimum", count, last), build.scalar(0, "int64"));
  return build.gather(source, place, 0);
}

const signature = "input, mask, source";
define(["torch", "tensor"], "masked_scatter", signature, (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const shape = broadcast(x.shape, nodeArg(args, "mask", runtime).shape);
  return maskedScatter(build.expand(x, shape), nodeArg(args, "mask", runtime), nodeArg(args, "source", runtime));
});
inPlace("masked_scatter", signature, (args, runtime) =>
  maskedScatter(nodeArg(args, "input", runtime), nodeArg(args, "mask", runtime), nodeArg(args, "source", runtime)),
);
function maskedScatter(x: Node, mask: Node, source: Node): Node {
  if (mask.dtype !== "bool") {
    throw new PyError(
      "RuntimeError",
      `masked_scatter_ only supports boolean masks, but got mask with dtype ${mask.dtype}`,
    );
  }
  if (source.dtype !== x.dtype) {
    throw new PyError(
      "RuntimeError",
      `masked_scatter: expected self and source to have same dtypes but got ${x.dtype} and ${source.dtype}`,
    );
  }
  const whole = build.expand(mask, x.shape);
  const values = build.reshape(inOrder(whole, build.reshape(source, [-1])), x.shape);
  return build.where(whole, values, x);
}

const PUT = "input, indices, values, accumulate=False";
function indexPut(args: BoundArgs, runtime: Runtime): Node {
  const x = nodeArg(args, "input", runtime);
  const key = new PyTuple(sequenceOf(args.indices) ?? []);
  const selection = select(x, key, runtime);
  const update = build.cast(nodeArg(args, "values", runtime), x.dtype);
  if (!boolArg(args, "accumulate")) return assigned(x, selection, update, runtime);
  if (selection.mask) throw new EvaluationError("index_put with accumulate and a mask is not supported", runtime.place);
  return assignAt(x, selection, update, true);
}
define(["torch", "tensor"], "index_put", PUT, indexPut);
inPlace("index_put", PUT, indexPut);

/** Of the tensor's elements in row-major order. */
define(["torch", "tensor"], "take", "input, index", (args, runtime) => {
  const x = build.reshape(nodeArg(args, "input", runtime), [-1]);
  return index(x, select(x, tensorArg(args, "index"), runtime));
});
inPlace("put", "input, index, source, accumulate=False", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const flat = build.reshape(x, [-1]);
  const source = nodeArg(args, "source", runtime);
  const selection = select(flat, tensorArg(args, "index"), runtime);
  const values = build.reshape(source, nodeArg(args, "index", runtime).shape);
  return build.reshape(assignAt(flat, selection, values, boolArg(args, "accumulate")), x.shape);
});
define(["torch", "tensor"], "masked_select", "input, mask", (args, runtime) => {
  const [x, mask] = [nodeArg(args, "input", runtime), nodeArg(args, "mask", runtime)];
  const shape = broadcast(x.shape, mask.shape);
  const key = build.expand(mask, shape);
  return tensorIndex(wrap(build.expand(x, shape)), wrap(key), runtime);
});
