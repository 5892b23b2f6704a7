import { isFloating } from "../../../../formats/dtype";
import * as build from "../../../../graph/build";
import type { Node } from "../../../../graph/node";
import { EvaluationError, Unknown } from "../../values/unknown";
import {
  type BoundArgs,
  PyDict,
  PyError,
  PyNamespace,
  type PyTensor,
  type Runtime,
  type Value,
} from "../../values/values";
import { stackNodes } from "../torch/functions/joining";
import { extreme } from "../torch/functions/reductions";
import { layer } from "../torch/layers/layer";
import { intOf, sequenceOf, stringArg, tensorList } from "../torch/registry/arguments";
import { native } from "../torch/registry/native";
import { nodeArg } from "../torch/registry/table";
import { nodeOf, wrap } from "../torch/tensor/tensor";
import { EINOPS_PACKING } from "./packing";

/** einops' patterns ("b (h w) c -> b c h w") as reshapes, a transposition, a reduction and an expansion. */

/** One axis of a pattern; an anonymous one ("1", "4") has its length alone. */
interface Axis {
  readonly name: string;
  readonly length?: number;
}
/** The axes that make up each dimension; ELLIPSIS stands for any number of dimensions. */
type Side = readonly (readonly Axis[])[];
type Kind = "rearrange" | "repeat" | "reduce";

const ELLIPSIS = "...";
/** An ellipsis by itself, which stands for dimensions; one in brackets is all of them as one. */
const BARE: readonly Axis[] = [{ name: ELLIPSIS }];

function failure(message: string): PyError {
  return new PyError("EinopsError", message);
}

function parseSide(text: string): Side {
  const groups: (readonly Axis[])[] = [];
  let open: Axis[] | undefined;
  let anonymous = 0;
  const seen = new Set<string>();
  for (const [token] of text.matchAll(/\.\.\.|[()]|[^\s().]+|\./g)) {
    if (token === "(") {
      if (open) throw failure("Axis composition is one-level (brackets inside brackets not allowed)");
      open = [];
      groups.push(open);
    } else if (token === ")") {
      if (!open) throw failure("Brackets are not balanced");
      open = undefined;
    } else {
      const number = /^\d+$/.test(token);
      if (!number && token !== ELLIPSIS && !/^[\p{L}][\p{L}\p{N}_]*$/u.test(token)) {
        throw failure(`Invalid axis identifier: ${token}`);
      }
      if (number && Number(token) < 1) throw failure(`Anonymous axis should have positive length, not ${token}`);
      if (!number && seen.has(token)) throw failure(`Indexing expression contains duplicate dimension "${token}"`);
      seen.add(token);
      const axis = number ? { name: ` ${anonymous++}`, length: Number(token) } : { name: token };
      // A dimension of length 1 carries no axis.
      const axes = axis.length === 1 ? [] : [axis];
      if (open) open.push(...axes);
      else groups.push(token === ELLIPSIS ? BARE : axes);
    }
  }
  if (open) throw failure(`Imbalanced parentheses in expression: "${text}"`);
  return groups;
}

function spread(side: Side, names: readonly string[]): Side {
  const axes = names.map((name) => ({ name }));
  return side.flatMap((group) =>
    group === BARE ? axes.map((axis) => [axis]) : [group.flatMap((axis) => (axis.name === ELLIPSIS ? axes : [axis]))],
  );
}

/** `sizes` gives lengths of named axes; errors are einops' EinopsError. */
function transform(kind: Kind, x: Node, pattern: string, sizes: ReadonlyMap<string, number>, reduction?: string): Node {
  const sides = pattern.split("->");
  if (sides.length !== 2) throw failure(`Pattern "${pattern}" must have one "->"`);
  let [from, to] = [parseSide(sides[0]!), parseSide(sides[1]!)] as [Side, Side];
  const has = (side: Side) => side.some((group) => group.some((axis) => axis.name === ELLIPSIS));
  if (
    from.some((group) => group.length > 1 && group.some((axis) => axis.name === ELLIPSIS)) ||
    /\([^)]*\.\.\./.test(sides[0]!)
  ) {
    throw failure(`Ellipsis inside parenthesis in the left side is not allowed: ${pattern}`);
  }
  if (has(to) && !has(from)) throw failure(`Ellipsis found in right side, but not left side of a pattern ${pattern}`);
  const dims = from.length - (has(from) ? 1 : 0);
  const rank = x.shape.length;
  if (has(from) ? rank < dims : rank !== dims) {
    throw failure(
      `Wrong shape: expected ${has(from) ? ">=" : ""}${dims} dims. Received ${rank}-dim tensor in "${pattern}".`,
    );
  }
  if (kind !== "reduce" && has(from) && !has(to)) throw failure(`Ellipsis is missing on the right side of ${pattern}`);
  const extra = Array.from({ length: rank - dims }, (_, i) => `...${i}`);
  // Anonymous axes of the two sides are different axes.
  to = spread(to, extra).map((g) => g.map((a) => (a.length === undefined ? a : { ...a, name: `>${a.name}` })));
  from = spread(from, extra);
  const [left, right] = [from.flat(), to.flat()];
  const leftNames = new Set(left.map((a) => a.name));
  const rightNames = new Set(right.map((a) => a.name));
  const lost = left.filter((a) => !rightNames.has(a.name));
  const added = right.filter((a) => !leftNames.has(a.name));
  const odd = [...(kind === "reduce" ? [] : lost), ...(kind === "repeat" ? [] : added)];
  if (odd.length > 0) {
    throw failure(
      `Identifiers only on one side of expression (should be on both): ${odd.map((a) => a.name.trim()).join(", ")} in "${pattern}"`,
    );
  }
  for (const name of sizes.keys()) {
    if (!leftNames.has(name) && !rightNames.has(name))
      throw failure(`Axis ${name} is not used in transform "${pattern}"`);
  }
  const lengths = new Map(sizes);
  for (const axis of [...left, ...right]) if (axis.length !== undefined) lengths.set(axis.name, axis.length);
  from.forEach((group, d) => {
    solve(group, x.shape[d]!, lengths, pattern);
  });
  const lengthOf = (axis: Axis): number => {
    const length = lengths.get(axis.name);
    if (length === undefined) throw failure(`Specify sizes for all new axes in pattern: ${axis.name} of "${pattern}"`);
    return length;
  };
  const kept = right.filter((a) => leftNames.has(a.name)).map((a) => left.findIndex((l) => l.name === a.name));
  const order = [...kept, ...lost.map((a) => left.indexOf(a))];
  let y = build.transpose(build.reshape(x, left.map(lengthOf)), order);
  if (reduction !== undefined)
    y = reduced(
      y,
      reduction,
      lost.map((_, i) => kept.length + i),
    );
  if (added.length > 0) {
    y = build.reshape(
      y,
      right.map((a) => (leftNames.has(a.name) ? lengthOf(a) : 1)),
    );
    y = build.expand(y, right.map(lengthOf));
  }
  return build.reshape(
    y,
    to.map((group) => group.reduce((n, a) => n * lengthOf(a), 1)),
  );
}

/** Sets the one open length of a composed dimension, and checks the others. */
function solve(group: readonly Axis[], size: number, lengths: Map<string, number>, pattern: string): void {
  const open = group.filter((a) => !lengths.has(a.name));
  if (open.length > 1) throw failure(`Could not infer sizes for ${open.map((a) => a.name).join(", ")} in "${pattern}"`);
  const known = group.reduce((n, a) => n * (lengths.get(a.name) ?? 1), 1);
  if (open.length === 0 && known !== size) throw failure(`Shape mismatch, ${size} != ${known} in "${pattern}"`);
  if (open.length === 1) {
    if (known < 1 || size % known !== 0)
      throw failure(`Shape mismatch, can't divide axis of length ${size} in chunks of ${known} in "${pattern}"`);
    lengths.set(open[0]!.name, size / known);
  }
}

function reduced(x: Node, op: string, axes: readonly number[]): Node {
  if (op !== "mean" && op !== "sum" && op !== "max" && op !== "min" && op !== "prod") {
    throw new EvaluationError(`the einops reduction ${op} is not supported`);
  }
  if (op === "mean" && !isFloating(x.dtype)) throw failure("reduce_mean is not available for non-floating tensors");
  const counted = (op === "sum" || op === "prod") && axes.length > 0 && !isFloating(x.dtype);
  if (op === "max" || op === "min") return extreme(op, x, axes, false);
  return build.reduce(op, counted ? build.cast(x, "int64") : x, axes, false);
}

function sizesOf(value: Value | undefined): ReadonlyMap<string, number> | Unknown {
  const sizes = new Map<string, number>();
  if (value instanceof PyDict) {
    for (const { key, value: length } of value.entries.values()) {
      if (length instanceof Unknown) return length;
      sizes.set(String(key), intOf(length, String(key)));
    }
  }
  return sizes;
}

/** A list of tensors is stacked on a new first axis. */
function tensorOf(args: BoundArgs, runtime: Runtime): Node {
  if (!sequenceOf(args.tensor)) return nodeArg(args, "tensor", runtime);
  return stackNodes(
    tensorList(args, "tensor").map((t: PyTensor) => nodeOf(t, runtime)),
    0,
  );
}

function apply(kind: Kind, args: BoundArgs, runtime: Runtime): Value {
  const sizes = sizesOf(args.axes_lengths);
  if (sizes instanceof Unknown) return sizes;
  const reduction = kind === "reduce" ? stringArg(args, "reduction") : undefined;
  return wrap(transform(kind, tensorOf(args, runtime), stringArg(args, "pattern"), sizes, reduction));
}

const functions = (["rearrange", "repeat", "reduce"] as const).map((kind) => {
  const signature = `tensor, pattern, ${kind === "reduce" ? "reduction, " : ""}**axes_lengths`;
  return native(kind, signature, (args, runtime) => apply(kind, args, runtime));
});

/** Names of the layers, which torch.nn does not have. */
export const EINOPS_LAYERS = ["Rearrange", "Reduce"];
const layers = (["rearrange", "reduce"] as const).map((kind, i) =>
  layer(EINOPS_LAYERS[i]!, `pattern, ${kind === "reduce" ? "reduction, " : ""}**axes_lengths`, {
    forward(a) {
      const options: Record<string, Value> = { tensor: a.args.input ?? null };
      for (const name of ["pattern", "axes_lengths", "reduction"]) options[name] = a.option(name);
      return apply(kind, options, a.runtime);
    },
  }),
);

const torchLayers = new PyNamespace("einops.layers.torch", new Map(layers.map((l) => [l.name, l])));
const layersModule = new PyNamespace("einops.layers", new Map([["torch", torchLayers]]));
export const EINOPS_MODULES: readonly PyNamespace[] = [
  new PyNamespace(
    "einops",
    new Map<string, Value>([
      ...[...functions, ...EINOPS_PACKING].map((f): [string, Value] => [f.name, f]),
      ["layers", layersModule],
    ]),
  ),
  layersModule,
  torchLayers,
];
