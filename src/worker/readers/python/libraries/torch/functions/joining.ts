import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { shapeText } from "../../../../../graph/shapes";
import { type BoundArgs, PyError, type Runtime, type Value } from "../../../values/values";
import { axisArg, intArg, intOf, sequenceOf, tensorList, tuple } from "../registry/arguments";
import { define, type Home, nodeArg } from "../registry/table";
import { listableTensors } from "../tensor/listable";
import { nodeOf, operandOf, resultType, wrap } from "../tensor/tensor";

/** Functions that join tensors and take them apart. */

const BOTH: readonly Home[] = ["torch", "tensor"];

function both(
  names: string | string[],
  signature: string,
  body: (args: BoundArgs, runtime: Runtime) => Value | Node,
): void {
  define(BOTH, names, signature, body);
}

function joined(args: BoundArgs, runtime: Runtime, name = "tensors"): Node[] {
  const tensors = tensorList(args, name);
  listableTensors(tensors.length);
  const nodes = tensors.map((t) => nodeOf(t, runtime));
  const dtype = resultType(nodes.map(operandOf));
  return nodes.map((n) => build.cast(n, dtype));
}

define(["torch"], ["cat", "concat", "concatenate"], "tensors, dim=0, *, out=None", (args, runtime) => {
  // PyTorch skips empty 1-D tensors, whatever the others' rank.
  const all = joined(args, runtime);
  if (all.length === 0) throw new PyError("RuntimeError", "torch.cat(): expected a non-empty list of Tensors");
  const nodes = all.filter((n) => n.shape.length !== 1 || n.shape[0] !== 0);
  const first = nodes[0] ?? all[0]!;
  if (first.shape.length === 0) {
    throw new PyError("RuntimeError", "zero-dimensional tensor (at position 0) cannot be concatenated");
  }
  const axis = axisArg(args, "dim", first.shape.length);
  for (const [i, node] of nodes.entries()) {
    if (node.shape.length !== first.shape.length) {
      throw new PyError(
        "RuntimeError",
        `Tensors must have same number of dimensions: got ${first.shape.length} and ${node.shape.length}`,
      );
    }
    const odd = node.shape.findIndex((d, a) => a !== axis && d !== first.shape[a]);
    if (odd >= 0) {
      throw new PyError(
        "RuntimeError",
        `Sizes of tensors must match except in dimension ${axis}. Expected size ${first.shape[odd]} but got size ${node.shape[odd]} for tensor number ${i} in the list.`,
      );
    }
  }
  return build.concat(nodes.length > 0 ? nodes : [first], axis);
});
define(["torch"], "stack", "tensors, dim=0, *, out=None", (args, runtime) => {
  const nodes = joined(args, runtime);
  const first = nodes[0];
  if (!first) throw new PyError("RuntimeError", "stack expects a non-empty TensorList");
  const odd = nodes.findIndex((n) => shapeText(n.shape) !== shapeText(first.shape));
  if (odd >= 0) {
    throw new PyError(
      "RuntimeError",
      `stack expects each tensor to be equal size, but got ${shapeText(first.shape)} at entry 0 and ${shapeText(nodes[odd]!.shape)} at entry ${odd}`,
    );
  }
  return stackNodes(nodes, axisArg(args, "dim", first.shape.length + 1));
});
export function stackNodes(nodes: readonly Node[], axis: number): Node {
  return build.concat(
    nodes.map((n) => build.reshape(n, [...n.shape.slice(0, axis), 1, ...n.shape.slice(axis)])),
    axis,
  );
}
for (const [name, axis] of [
  ["hstack", 1],
  ["vstack", 0],
] as const) {
  define(["torch"], name, "tensors", (args, runtime) => {
    const nodes = joined(args, runtime).map((n) => (n.shape.length === 0 ? build.reshape(n, [1]) : n));
    if (name === "hstack") return build.concat(nodes, nodes[0]?.shape.length === 1 ? 0 : axis);
    return build.concat(
      nodes.map((n) => (n.shape.length === 1 ? build.reshape(n, [1, ...n.shape]) : n)),
      axis,
    );
  });
}

function pieces(x: Node, axis: number, sizes: readonly number[]): Value {
  listableTensors(sizes.length);
  let start = 0;
  return tuple(
    sizes.map((size) => {
      start += size;
      return wrap(build.narrow(x, axis, start - size, start));
    }),
  );
}
const even = (length: number, size: number): number[] => {
  listableTensors(Math.ceil(length / size));
  const sizes: number[] = [];
  for (let left = length; left > 0; left -= size) sizes.push(Math.min(size, left));
  return sizes.length > 0 ? sizes : [0];
};
const split =
  (sizeName: string) =>
  (args: BoundArgs, runtime: Runtime): Value => {
    const x = nodeArg(args, "input", runtime);
    const axis = axisArg(args, "dim", x.shape.length);
    const length = x.shape[axis]!;
    const listed = sequenceOf(args[sizeName]);
    if (!listed) {
      const size = intArg(args, sizeName);
      if (size <= 0)
        throw new PyError("RuntimeError", `split expects split_size be non-negative, but got split_size=${size}`);
      return pieces(x, axis, even(length, size));
    }
    const sizes = listed.map((v) => intOf(v, sizeName));
    if (sizes.reduce((n, d) => n + d, 0) !== length) {
      throw new PyError(
        "RuntimeError",
        `split_with_sizes expects split_sizes to sum exactly to ${length} (input tensor's size at dimension ${axis}), but got split_sizes=${shapeText(sizes)}`,
      );
    }
    return pieces(x, axis, sizes);
  };
define(["torch"], "split", "tensor, split_size_or_sections, dim=0", (args, runtime) =>
  split("split_size_or_sections")({ ...args, input: args.tensor ?? null }, runtime),
);
define(["tensor"], "split", "input, split_size, dim=0", split("split_size"));
both("split_with_sizes", "input, split_sizes, dim=0", split("split_sizes"));
both("chunk", "input, chunks, dim=0", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const axis = axisArg(args, "dim", x.shape.length);
  const chunks = intArg(args, "chunks");
  if (chunks <= 0) throw new PyError("RuntimeError", `chunk expects \`chunks\` to be greater than 0, got: ${chunks}`);
  return pieces(x, axis, even(x.shape[axis]!, Math.max(1, Math.ceil(x.shape[axis]! / chunks))));
});
export function unbind(x: Node, axis: number): Node[] {
  const rest = x.shape.filter((_, i) => i !== axis);
  return Array.from({ length: listableTensors(x.shape[axis]!) }, (_, i) =>
    build.reshape(build.narrow(x, axis, i, i + 1), rest),
  );
}
both("unbind", "input, dim=0", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  return tuple(unbind(x, axisArg(args, "dim", x.shape.length)).map(wrap));
});
both("narrow", "input, dim, start, length", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const axis = axisArg(args, "dim", x.shape.length);
  const size = x.shape[axis]!;
  const [given, length] = [intArg(args, "start"), intArg(args, "length")];
  const start = given < 0 ? given + size : given;
  if (start < 0 || length < 0 || start + length > size) {
    throw new PyError("RuntimeError", `start (${given}) + length (${length}) exceeds dimension size (${size}).`);
  }
  return build.narrow(x, axis, start, start + length);
});
both("select", "input, dim, index", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const axis = axisArg(args, "dim", x.shape.length);
  const size = x.shape[axis]!;
  const index = intArg(args, "index");
  const i = index < 0 ? index + size : index;
  if (i < 0 || i >= size) {
    throw new PyError(
      "IndexError",
      `select(): index ${index} out of range for tensor of size ${shapeText(x.shape)} at dimension ${axis}`,
    );
  }
  return build.reshape(
    build.narrow(x, axis, i, i + 1),
    x.shape.filter((_, a) => a !== axis),
  );
});
