import * as build from "../../../../graph/build";
import { einsum } from "../../../../graph/einsum";
import type { Node } from "../../../../graph/node";
import { dictOf } from "../../values/equality";
import { type BoundArgs, PyError, PyList, PyTensor, PyTuple, type Runtime, type Value } from "../../values/values";
import { promoted } from "../torch/functions/arithmetic";
import { intsOf, sequenceOf, stringArg, tensorList } from "../torch/registry/arguments";
import { native } from "../torch/registry/native";
import { nodeArg } from "../torch/registry/table";
import { nodeOf, wrap } from "../torch/tensor/tensor";

/** einops' functions beside its patterns: pack and unpack, einsum with axes of several letters, parse_shape. */

const failure = (message: string) => new PyError("EinopsError", message);
const product = (shape: readonly number[]) => shape.reduce((n, d) => n * d, 1);

/** How many axes stand before and after the one that packs, as in "b * d". */
function axesAround(pattern: string, name: string): { readonly before: number; readonly after: number } {
  const axes = pattern.trim().split(/\s+/);
  if (new Set(axes).size < axes.length) throw failure(`Duplicates in axes names in ${name}(..., "${pattern}")`);
  const before = axes.indexOf("*");
  if (before < 0) throw failure(`No *-axis in ${name}(..., "${pattern}")`);
  return { before, after: axes.length - before - 1 };
}

/** Axes that the star covers become one, and the tensors are joined along it; their shapes there undo it. */
const pack = native("pack", "tensors, pattern", (args, runtime) => {
  const pattern = stringArg(args, "pattern");
  const { before, after } = axesAround(pattern, "pack");
  const nodes = promoted(tensorList(args, "tensors").map((t) => nodeOf(t, runtime)));
  const shapes = nodes.map(({ shape }, i) => {
    if (shape.length < before + after) {
      throw failure(
        `packed tensor #${i} (enumeration starts with 0) has shape (${shape.join(", ")}), while pattern ${pattern} assumes at least ${before + after} axes`,
      );
    }
    return shape.slice(before, shape.length - after);
  });
  const flat = nodes.map((node, i) => {
    const rest = node.shape.slice(node.shape.length - after);
    return build.reshape(node, [...node.shape.slice(0, before), product(shapes[i]!), ...rest]);
  });
  return new PyTuple([wrap(build.concat(flat, before)), new PyList(shapes.map((shape) => new PyTuple(shape)))]);
});

const unpack = native("unpack", "tensor, packed_shapes, pattern", (args, runtime) => {
  const pattern = stringArg(args, "pattern");
  const { before, after } = axesAround(pattern, "unpack");
  const x = nodeArg(args, "tensor", runtime);
  const rank = before + after + 1;
  if (x.shape.length !== rank)
    throw failure(`unpack(..., ${pattern}) received input of wrong dim with shape (${x.shape.join(", ")})`);
  const shapes = (sequenceOf(args.packed_shapes) ?? []).map((shape) => intsOf(shape, "packed_shapes"));
  const whole = x.shape[before]!;
  const open = shapes.filter((shape) => shape.includes(-1));
  if (open.length > 1) throw failure(`unpack(..., "${pattern}") received more than one -1 and can't infer dimensions`);
  const known = shapes.filter((shape) => !shape.includes(-1)).reduce((n, shape) => n + product(shape), 0);
  if (open.length === 0 ? known !== whole : known > whole)
    throw failure(`Error during unpack(..., "${pattern}"): could not split axis of length ${whole} into ${known}`);
  let start = 0;
  const parts = shapes.map((shape): PyTensor => {
    const length = shape.includes(-1) ? whole - known : product(shape);
    const from = x.shape.map((_, axis) => (axis === before ? start : 0));
    const to = x.shape.map((size, axis) => (axis === before ? start + length : size));
    start += length;
    const part = build.slice(x, from, to);
    return wrap(build.reshape(part, [...x.shape.slice(0, before), ...shape, ...x.shape.slice(before + 1)]));
  });
  return new PyList(parts);
});

/** "batch i d, batch j d -> batch i j": torch's einsum with a letter for each name. */
const namedEinsum = native("einsum", "*tensors_and_pattern", (args, runtime) => {
  const given = [...(sequenceOf(args.tensors_and_pattern) ?? [])];
  const pattern = given.pop();
  if (typeof pattern !== "string" || given.length === 0)
    throw failure("The last argument passed to `einops.einsum` must be a string, representing the einsum pattern.");
  if (!pattern.includes("->")) throw failure("Einsum pattern must contain '->'.");
  const letters = new Map<string, string>();
  const lettered = pattern.replace(/[()]|[^\s,>().-]+/g, (name) => {
    if (!/^[\p{L}_][\p{L}\p{N}_]*$/u.test(name))
      throw failure(`Only names of axes and ellipses are allowed in einsum, not "${name}"`);
    const letter = letters.get(name) ?? "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[letters.size];
    if (letter === undefined) throw failure("Too many axes in einsum.");
    letters.set(name, letter);
    return letter;
  });
  return wrap(einsum(lettered, promoted(tensorNodes(given, runtime))));
});

function tensorNodes(values: readonly Value[], runtime: Runtime): Node[] {
  return values.map((value) => {
    if (value instanceof PyTensor) return nodeOf(value, runtime);
    throw new PyError("TypeError", "einsum takes tensors and one pattern");
  });
}

/** `parse_shape(x, 'b _ h w')`: the lengths of the named axes. */
function shapeOf(args: BoundArgs, runtime: Runtime): Value {
  const { shape } = nodeArg(args, "x", runtime);
  const names = stringArg(args, "pattern").trim().split(/\s+/);
  const open = names.indexOf("...");
  const skipped = open < 0 ? 0 : shape.length - names.length + 1;
  if (open < 0 ? names.length !== shape.length : skipped < 0)
    throw failure(`Can't parse shape with this number of dimensions: (${shape.join(", ")}) as "${names.join(" ")}"`);
  const pairs = names.flatMap((name, i): [Value, Value][] => {
    if (name === "..." || name === "_") return [];
    const length = shape[open >= 0 && i > open ? i + skipped - 1 : i]!;
    if (!/^\d+$/.test(name)) return [[name, length]];
    if (Number(name) !== length) throw failure(`Length of anonymous axis does not match: ${name} and ${length}`);
    return [];
  });
  return dictOf(pairs);
}

export const EINOPS_PACKING = [pack, unpack, namedEinsum, native("parse_shape", "x, pattern", shapeOf)];
