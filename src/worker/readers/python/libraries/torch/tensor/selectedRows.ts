import * as build from "../../../../../graph/build";
import { withInputs } from "../../../../../graph/graph";
import { forKind, type OpsOf } from "../../../../../graph/kinds";
import { Node, type Shape } from "../../../../../graph/node";
import type { OpName } from "../../../../../graph/ops";
import { sameComputation } from "../../../../../graph/same";
import { memoized } from "../../../../memoized";
import { EvaluationError, Unknown } from "../../../values/unknown";
import { listableTensors } from "./listable";

/**
 * Selections whose length depends on data: `x[mask]`, `torch.where(mask)`. A graph's shapes are fixed, so such a tensor
 * is held with every row, and the mask beside it. Each operation has to treat rows alone, until `index_add_` or
 * `out[mask] = ...` puts the selected ones back where they came from; anything that would see the other rows is refused.
 */
export interface SelectedRows {
  /** Of the selection: a bool tensor. The rows are its elements in order. */
  readonly mask: Node;
  readonly axis: number;
}

/** A node whose rows its inputs do not tell. */
class RowsNode extends Node {
  constructor(
    node: Node,
    /** Undefined where a selection has found its place again. */
    readonly rows: SelectedRows | undefined,
    /** Of a selection: what was selected from. */
    readonly unselected?: Node,
  ) {
    super(node.op, node.inputs, node.attrs, node.shape, node.dtype, node.place);
  }
}

/** The length of a selection: how many elements of the mask are true. */
export class SelectedLength extends Unknown {
  constructor(readonly mask: Node) {
    super("how many rows a mask selects depends on the data");
  }

  /** Twice a length is no longer that length. */
  override derived(): Unknown {
    return new Unknown(this.reason);
  }
}

/** The node's selected axis, if it has one. Refuses a node that mixes rows. */
export const selectedRows = memoized((node: Node) => (node instanceof RowsNode ? node.rows : derive(node)));

/** numel(): unknown where rows were selected. */
export function countOf(node: Node): number | SelectedLength {
  const selection = selectedRows(node);
  return selection ? new SelectedLength(selection.mask) : node.shape.reduce((n, d) => n * d, 1);
}

/** Every row of `rows` with the mask beside it; those not selected are 0. The mask's elements are dimension `axis`. */
export function selectRows(rows: Node, mask: Node, axis = 0): Node {
  const chosen = build.where(lanes(mask, rows, axis), rows, build.scalar(0, rows.dtype));
  return new RowsNode(chosen, { mask, axis }, rows);
}

/**
 * The rows of a selection along dimension 0 one by one, each with the condition under which it is selected. A row is
 * what it is where that holds; elsewhere it means nothing.
 */
export function rowsOneByOne(selection: Node): { readonly row: Node; readonly selected: Node }[] | undefined {
  const rows = selectedRows(selection);
  if (rows?.axis !== 0) return undefined;
  const all = withoutMask(selection, new Map());
  const mask = build.reshape(rows.mask, [-1]);
  const at = (node: Node, i: number): Node =>
    build.reshape(build.narrow(node, 0, i, i + 1), node.shape.slice(1) as number[]);
  return Array.from({ length: listableTensors(selection.shape[0]!) }, (_, i) => ({
    row: at(all, i),
    selected: at(mask, i),
  }));
}

function withoutMask(node: Node, done: Map<Node, Node>): Node {
  const before = done.get(node) ?? (node instanceof RowsNode ? node.unselected : undefined);
  if (before || !selectedRows(node)) return before ?? node;
  const bare = withInputs(
    node,
    node.inputs.map((input) => withoutMask(input, done)),
  );
  done.set(node, bare);
  return bare;
}

/** The mask as a column beside the rows' other dimensions. */
function lanes(mask: Node, rows: Node, axis = 0): Node {
  return build.reshape(
    mask,
    rows.shape.map((d, i) => (i === axis ? d : 1)),
  );
}

/** torch.where(mask): the coordinates of its true elements, one tensor for each dimension. */
export function coordinates(mask: Node): Node[] {
  const size = mask.shape.reduce((n, d) => n * d, 1);
  return mask.shape.map((d, axis) => {
    const along = mask.shape.map((_, i) => (i === axis ? d : 1));
    const index = build.expand(build.reshape(build.arange(d, "int64"), along), mask.shape);
    return selectRows(build.reshape(index, [size]), mask);
  });
}

/** `rows` with zeros where they were not selected, so that they may be added to something whole. */
export function withoutOthers(rows: Node, selection: SelectedRows): Node {
  return whole(build.where(lanes(selection.mask, rows, selection.axis), rows, build.scalar(0, rows.dtype)));
}

/** Whether two masks select the same rows; the source may compute one twice. */
export function sameMask(a: Node, b: Node): boolean {
  return a === b || sameComputation(a, b);
}

/** A sum or mean over `axes`: of a selection, over the rows that are selected. */
export function reduceRows(op: "sum" | "mean", x: Node, axes: readonly number[], keepDims: boolean): Node {
  const selection = selectedRows(x);
  if (!selection || !axes.includes(selection.axis)) return build.reduce(op, x, axes, keepDims);
  const total = build.reduce("sum", withoutOthers(x, selection), axes, keepDims);
  if (op === "sum") return total;
  const rows = build.reduceAll("sum", build.cast(selection.mask, "int64"));
  const others = axes.reduce((n, a) => (a === selection.axis ? n : n * x.shape[a]!), 1);
  const count = build.mul(build.cast(rows, "float32"), build.scalar(others, "float32"));
  return build.div(total, build.cast(count, x.dtype));
}

/** A node in which the selection has found its place again. */
export function whole(node: Node): Node {
  return new RowsNode(node, undefined);
}

function refuse(node: Node): EvaluationError {
  return new EvaluationError(
    `a selection by a mask has a length that depends on data; it can go through operations on each row and be put back with index_add_ or by assigning to the same mask, but not through ${node.op} here`,
    node.place,
  );
}

function derive(node: Node): SelectedRows | undefined {
  const inputs = node.inputs.map(selectedRows);
  const first = inputs.find((rows) => rows !== undefined);
  if (!first) return undefined;
  if (inputs.some((rows) => rows && !sameMask(rows.mask, first.mask))) throw refuse(node);
  const axis = (AXIS_AFTER[node.op] as AxisAfter)(node, inputs);
  if (axis === undefined) throw refuse(node);
  return { mask: first.mask, axis };
}

type Selections = readonly (SelectedRows | undefined)[];

/** Where the selected axis is in the node's result; undefined when the node mixes rows. */
type AxisAfter<O extends OpName = OpName> = (node: Node<O>, inputs: Selections) => number | undefined;

const mixed = (): undefined => undefined;

/** For an op whose first operand alone may be a selection: where its axis goes. */
const ofFirst =
  <O extends OpName>(after: (axis: number, node: Node<O>, from: Shape) => number | undefined): AxisAfter<O> =>
  (node, [rows, ...others]) =>
    rows && !others.some((r) => r !== undefined) ? after(rows.axis, node, node.inputs[0]!.shape) : undefined;

const sameLength = ofFirst<"slice" | "pad">((axis, { shape }, from) => (shape[axis] === from[axis] ? axis : undefined));
const otherAxis = ofFirst<"softmax" | "logSoftmax" | "topK" | "topKIndices">((axis, { attrs }) =>
  attrs.axis === axis ? undefined : axis,
);
const reducedAxis = ofFirst<OpsOf<"reduction">>((axis, { attrs: { axes, keepDims } }) => {
  if (axes.includes(axis)) return undefined;
  return keepDims ? axis : axis - axes.filter((a) => a < axis).length;
});
const extremeAxis = ofFirst<"argmax" | "argmin">((axis, { attrs }) => {
  if (attrs.axis === axis) return undefined;
  return attrs.keepDims || attrs.axis > axis ? axis : axis - 1;
});

const AXIS_AFTER: { readonly [O in OpName]: AxisAfter<O> } = {
  ...forKind("leaf", mixed),
  ...forKind("unary", alignedAxis),
  ...forKind("binary", alignedAxis),
  ...forKind("select", alignedAxis),

  dropout: alignedAxis,
  detach: alignedAxis,
  layer: (_, [output, input]) => (output && output.axis === input?.axis ? output.axis : undefined),

  linear: ofFirst((axis, _, from) => (axis < from.length - 1 ? axis : undefined)),
  matmul: ofFirst((axis, { inputs, attrs }, from) => {
    const plain = !attrs.transposeA && inputs[1]!.shape.length === 2 && inputs.length === 2;
    return plain && axis < from.length - 1 ? axis : undefined;
  }),
  ...forKind("window", mixed),

  reshape: ofFirst((axis, { shape }, from) => reshapedAxis(from, shape, axis)),
  transpose: ofFirst((axis, { attrs }) => attrs.perm.indexOf(axis)),
  expand: alignedAxis,
  slice: sameLength,
  pad: sameLength,
  concat: ({ attrs }, inputs) => {
    const [rows] = inputs;
    const alike = rows !== undefined && inputs.every((r) => r?.axis === rows.axis);
    return alike && attrs.axis !== rows.axis ? rows.axis : undefined;
  },

  gather: ({ attrs, inputs }, [rows, indices]) => {
    if (rows && indices) return undefined;
    if (indices) return attrs.axis + indices.axis;
    if (!rows || rows.axis === attrs.axis) return undefined;
    return rows.axis < attrs.axis ? rows.axis : rows.axis + inputs[1]!.shape.length - 1;
  },
  gatherElements: ({ attrs }, [rows, indices]) =>
    rows && indices && rows.axis === indices.axis && rows.axis !== attrs.axis ? rows.axis : undefined,
  scatterAdd: mixed,
  scatterElements: mixed,
  scatterElementsAdd: mixed,

  ...forKind("reduction", reducedAxis),
  argmax: extremeAxis,
  argmin: extremeAxis,
  topK: otherAxis,
  topKIndices: otherAxis,
  cumsum: mixed,

  softmax: otherAxis,
  logSoftmax: otherAxis,
  layerNorm: ofFirst((axis, { shape, attrs }) => (axis < shape.length - attrs.dims ? axis : undefined)),
  ...forKind("statistic", mixed),
};

/** Broadcasting aligns shapes at their ends; a tensor that is not selected may only be spread over the rows. */
function alignedAxis(node: Node, inputs: Selections): number | undefined {
  const rank = node.shape.length;
  const places = new Set(inputs.flatMap((r, i) => (r ? [r.axis + rank - node.inputs[i]!.shape.length] : [])));
  const [axis] = places;
  if (places.size !== 1 || axis === undefined) return undefined;
  const spread = node.inputs.every((n, i) => inputs[i] || (n.shape[axis - (rank - n.shape.length)] ?? 1) === 1);
  return spread ? axis : undefined;
}

/** The axis of the new shape that has the same elements before it and the same length. */
function reshapedAxis(from: readonly number[], to: readonly number[], axis: number): number | undefined {
  const before = from.slice(0, axis).reduce((n, d) => n * d, 1);
  let product = 1;
  for (const [i, d] of to.entries()) {
    if (product === before && d === from[axis]) return i;
    product *= d;
  }
  return undefined;
}
