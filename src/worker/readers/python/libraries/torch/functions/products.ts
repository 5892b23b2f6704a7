import * as build from "../../../../../graph/build";
import { einsum } from "../../../../../graph/einsum";
import type { Node } from "../../../../../graph/node";
import { shapeText } from "../../../../../graph/shapes";
import { type BoundArgs, PyError, PyTensor, type Runtime, type Value } from "../../../values/values";
import {
  axisArg,
  given,
  intsOf,
  isNumber,
  numberArg,
  optionalTensor,
  sequenceOf,
  tensorArg,
} from "../registry/arguments";
import { define, type Home, nodeArg } from "../registry/table";
import { fold } from "../tensor/fold";
import { listableTensors } from "../tensor/listable";
import { nodeOf, scalarTypeName } from "../tensor/tensor";
import { promoted, scale } from "./arithmetic";

/** Matrix products. */

const BOTH: readonly Home[] = ["torch", "tensor"];

function sameDType(a: Node, b: Node): void {
  if (a.dtype !== b.dtype) {
    throw new PyError(
      "RuntimeError",
      `expected m1 and m2 to have the same dtype, but got: ${scalarTypeName(a.dtype)} != ${scalarTypeName(b.dtype)}`,
    );
  }
}

function mismatch(a: Node, b: Node): PyError {
  const flat = (x: Node): string => `${x.shape.slice(0, -1).reduce((n, d) => n * d, 1)}x${x.shape.at(-1)}`;
  return new PyError("RuntimeError", `mat1 and mat2 shapes cannot be multiplied (${flat(a)} and ${flat(b)})`);
}

/** torch.matmul: vectors are promoted to matrices and the added dimension is removed again. */
export function matmul(a: Node, b: Node): Node {
  if (a.shape.length === 0 || b.shape.length === 0) {
    throw new PyError(
      "RuntimeError",
      `both arguments to matmul need to be at least 1D, but they are ${a.shape.length}D and ${b.shape.length}D`,
    );
  }
  sameDType(a, b);
  const left = a.shape.length === 1 ? build.reshape(a, [1, a.shape[0]!]) : a;
  const right = b.shape.length === 1 ? build.reshape(b, [b.shape[0]!, 1]) : b;
  if (left.shape.at(-1) !== right.shape.at(-2)) {
    if (a.shape.length === 1 && b.shape.length === 1) {
      throw new PyError(
        "RuntimeError",
        `inconsistent tensor size, expected tensor ${shapeText(a.shape)} and src ${shapeText(b.shape)} to have the same number of elements, but got ${a.shape[0]} and ${b.shape[0]} elements respectively`,
      );
    }
    throw mismatch(left, right);
  }
  const product = build.matmul(left, right);
  let shape = [...product.shape];
  if (a.shape.length === 1) shape = [...shape.slice(0, -2), shape.at(-1)!];
  if (b.shape.length === 1) shape = shape.slice(0, -1);
  return build.reshape(product, shape);
}

define(BOTH, "matmul", "input, other, *, out=None", (args, runtime) =>
  matmul(nodeArg(args, "input", runtime), nodeArg(args, "other", runtime)),
);
for (const [name, rank] of [
  ["mm", 2],
  ["spmm", 2],
  ["bmm", 3],
] as const) {
  define(BOTH, name, "input, mat2", (args, runtime) => {
    const [a, b] = [nodeArg(args, "input", runtime), nodeArg(args, "mat2", runtime)];
    if (a.shape.length !== rank || b.shape.length !== rank) {
      const which = a.shape.length !== rank ? ["self", "batch1"] : ["mat2", "batch2"];
      throw new PyError(
        "RuntimeError",
        rank === 2 ? `${which[0]} must be a matrix` : `${which[1]} must be a 3D tensor`,
      );
    }
    if (rank === 3 && a.shape[0] !== b.shape[0]) {
      throw new PyError(
        "RuntimeError",
        `batch1 and batch2 must have same number of batches, got ${a.shape[0]} and ${b.shape[0]}`,
      );
    }
    return matmul(a, b);
  });
}
for (const [name, parameter] of [
  ["mv", "vec"],
  ["dot", "other"],
  ["vdot", "other"],
  ["inner", "other"],
] as const) {
  define(BOTH, name, `input, ${parameter}`, (args, runtime) => {
    const [a, b] = [nodeArg(args, "input", runtime), nodeArg(args, parameter, runtime)];
    if (name === "inner" && b.shape.length > 1) {
      return tensordotNodes(a, b, [a.shape.length - 1], [b.shape.length - 1]);
    }
    return matmul(a, b);
  });
}
define(BOTH, ["outer", "ger"], "input, vec2", (args, runtime) => {
  const [a, b] = promoted([tensorArg(args, "input"), tensorArg(args, "vec2")], runtime) as [Node, Node];
  return build.mul(build.reshape(a, [a.shape[0]!, 1]), build.reshape(b, [1, b.shape[0]!]));
});
for (const [name, first, second] of [
  ["addmm", "mat1", "mat2"],
  ["baddbmm", "batch1", "batch2"],
] as const) {
  define(BOTH, name, `input, ${first}, ${second}, *, beta=1, alpha=1`, (args, runtime) => {
    const [c, a, b] = [nodeArg(args, "input", runtime), nodeArg(args, first, runtime), nodeArg(args, second, runtime)];
    sameDType(a, b);
    return build.matmul(a, b, { alpha: numberArg(args, "alpha"), c: scale(c, numberArg(args, "beta")) });
  });
}

export function linear(x: Node, weight: Node, bias?: Node): Node {
  sameDType(x, weight);
  if (weight.shape.length === 1) {
    const dot = matmul(x, weight);
    return bias ? build.add(dot, bias) : dot;
  }
  if (x.shape.at(-1) !== weight.shape[1]) {
    const flat = `${x.shape.slice(0, -1).reduce((n, d) => n * d, 1)}x${x.shape.at(-1) ?? 1}`;
    throw new PyError(
      "RuntimeError",
      `mat1 and mat2 shapes cannot be multiplied (${flat} and ${weight.shape[1]}x${weight.shape[0]})`,
    );
  }
  return build.linear(x, weight, bias);
}
define(["F"], "linear", "input, weight, bias=None", (args, runtime) => {
  const bias = optionalTensor(args, "bias");
  return linear(nodeArg(args, "input", runtime), nodeArg(args, "weight", runtime), bias && nodeOf(bias, runtime));
});
/** y_o = x1 A_o x2 + b_o: torch.nn.functional.bilinear. */
export function bilinear(x1: Node, x2: Node, weight: Node, bias?: Node): Node {
  const [out, in1, in2] = weight.shape as [number, number, number];
  const flat = build.reshape(build.transpose(weight, [1, 0, 2]), [in1, out * in2]);
  const left = build.reshape(matmul(x1, flat), [...x1.shape.slice(0, -1), out, in2]);
  const right = build.reshape(x2, [...x2.shape.slice(0, -1), in2, 1]);
  const y = build.reshape(build.matmul(left, right), [...x1.shape.slice(0, -1), out]);
  return bias ? build.add(y, bias) : y;
}
define(["F"], "bilinear", "input1, input2, weight, bias=None", (args, runtime) => {
  const bias = optionalTensor(args, "bias");
  const [a, b] = [nodeArg(args, "input1", runtime), nodeArg(args, "input2", runtime)];
  return bilinear(a, b, nodeArg(args, "weight", runtime), bias && nodeOf(bias, runtime));
});

/** einsum's other form: each operand followed by its dimensions' numbers, and at the end the result's. */
function numbered(items: readonly Value[]): { equation: string; operands: readonly Value[] } {
  const label = (n: Value): string =>
    typeof n === "number" ? String.fromCharCode(n < 26 ? 65 + n : 97 + n - 26) : "...";
  const terms: string[] = [];
  const operands: Value[] = [];
  const labels = (at: number): string => (sequenceOf(items[at]) ?? []).map(label).join("");
  for (let at = 0; at + 1 < items.length; at += 2) {
    operands.push(items[at]!);
    terms.push(labels(at + 1));
  }
  const result = items.length % 2 === 1 ? `->${labels(items.length - 1)}` : "";
  return { equation: `${terms.join(",")}${result}`, operands };
}
define(["torch"], "einsum", "equation, *operands", (args, runtime) => {
  if (args.equation instanceof PyTensor) {
    const { equation, operands } = numbered([args.equation, ...(sequenceOf(args.operands) ?? [])]);
    return einsum(equation, promoted(operands.map((o) => nodeOf(tensorArg({ operand: o }, "operand"), runtime))));
  }
  if (typeof args.equation !== "string") throw new PyError("TypeError", "einsum expects its equation as a string");
  const collected = sequenceOf(args.operands) ?? [];
  const operands = (collected.length === 1 ? sequenceOf(collected[0]) : undefined) ?? collected;
  const nodes = operands.map((o) => {
    if (o instanceof PyTensor) return nodeOf(o, runtime);
    throw new PyError("TypeError", "einsum(): operands must be tensors");
  });
  return einsum(args.equation, promoted(nodes));
});

function tensordotNodes(a: Node, b: Node, left: readonly number[], right: readonly number[]): Node {
  const freeA = a.shape.flatMap((_, i) => (left.includes(i) ? [] : [i]));
  const freeB = b.shape.flatMap((_, i) => (right.includes(i) ? [] : [i]));
  const k = left.reduce((n, i) => n * a.shape[i]!, 1);
  const x = build.reshape(build.transpose(a, [...freeA, ...left]), [-1, k]);
  const y = build.reshape(build.transpose(b, [...right, ...freeB]), [k, -1]);
  return build.reshape(build.matmul(x, y), [...freeA.map((i) => a.shape[i]!), ...freeB.map((i) => b.shape[i]!)]);
}
define(["torch"], "tensordot", "a, b, dims=2", (args, runtime) => {
  const [a, b] = [nodeArg(args, "a", runtime), nodeArg(args, "b", runtime)];
  const pair = sequenceOf(args.dims);
  if (pair) {
    const axes = (v: (typeof pair)[number] | undefined, n: Node): number[] =>
      intsOf(v, "dims").map((d) => (d < 0 ? d + n.shape.length : d));
    return tensordotNodes(a, b, axes(pair[0], a), axes(pair[1], b));
  }
  const count = numberArg(args, "dims");
  const range = (from: number): number[] => Array.from({ length: listableTensors(count) }, (_, i) => from + i);
  return tensordotNodes(a, b, range(a.shape.length - count), range(0));
});

/** softmax(q k^T * scale + mask) v: torch.nn.functional.scaled_dot_product_attention. */
export function attention(
  q: Node,
  k: Node,
  v: Node,
  options: { mask?: Node; causal?: boolean; dropout?: number; scale?: number } = {},
): Node {
  const factor = options.scale ?? 1 / Math.sqrt(q.shape.at(-1)!);
  const [l, s] = [q.shape.at(-2)!, k.shape.at(-2)!];
  const minusInfinity = build.scalar(Number.NEGATIVE_INFINITY, q.dtype);
  let scores = build.matmul(q, k, { transposeB: true, alpha: factor });
  if (options.causal) {
    const row = build.reshape(build.arange(l, "int64"), [l, 1]);
    const visible = build.binary("lessEqual", build.reshape(build.arange(s, "int64"), [1, s]), row);
    scores = build.where(visible, scores, minusInfinity);
  }
  const { mask } = options;
  if (!mask) return attended(scores, v, options.dropout);
  const boolean = mask.dtype === "bool";
  const open = boolean ? mask : build.binary("less", minusInfinity, build.cast(mask, q.dtype));
  // A position that may look at nothing gets zeros, and no gradient; until then it looks everywhere.
  const rows = openRows(open);
  if (boolean) {
    const visible = rows ? build.binary("or", mask, build.unary("not", rows)) : mask;
    return kept(rows, attended(build.where(visible, scores, minusInfinity), v, options.dropout));
  }
  const bias = build.cast(mask, scores.dtype);
  const seen = rows ? build.where(rows, bias, build.scalar(0, bias.dtype)) : bias;
  return kept(rows, attended(build.add(scores, seen), v, options.dropout));
}

const kept = (rows: Node | undefined, output: Node): Node =>
  rows ? build.where(rows, output, build.scalar(0, output.dtype)) : output;

function attended(scores: Node, v: Node, dropout = 0): Node {
  return build.matmul(build.dropout(build.softmax(scores, scores.shape.length - 1), dropout), v);
}

/** Which positions may look at something; undefined where all may. */
function openRows(mask: Node): Node | undefined {
  if (mask.shape.length === 0) return undefined;
  const axis = mask.shape.length - 1;
  const width = mask.shape[axis]!;
  const known = fold(mask);
  if (known) {
    const shut = Array.from(
      { length: known.length / width },
      (_, r) => !known.slice(r * width, (r + 1) * width).some(Boolean),
    );
    if (!shut.includes(true)) return undefined;
  }
  return build.cast(build.reduce("max", build.cast(mask, "int32"), [axis], true), "bool");
}
function groupedHeads(x: Node, heads: number): Node {
  const own = x.shape.at(-3)!;
  if (own === heads) return x;
  const lead = x.shape.slice(0, -3);
  const [length, size] = x.shape.slice(-2) as [number, number];
  const spread = build.expand(build.reshape(x, [...lead, own, 1, length, size]), [
    ...lead,
    own,
    heads / own,
    length,
    size,
  ]);
  return build.reshape(spread, [...lead, heads, length, size]);
}
define(
  ["F"],
  "scaled_dot_product_attention",
  "query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False",
  (args: BoundArgs, runtime: Runtime) => {
    const q = nodeArg(args, "query", runtime);
    let [k, v] = [nodeArg(args, "key", runtime), nodeArg(args, "value", runtime)];
    if (args.enable_gqa === true) [k, v] = [groupedHeads(k, q.shape.at(-3)!), groupedHeads(v, q.shape.at(-3)!)];
    const mask = optionalTensor(args, "attn_mask");
    if (mask && args.is_causal === true) {
      throw new PyError(
        "RuntimeError",
        "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True",
      );
    }
    return attention(q, k, v, {
      ...(mask && { mask: nodeOf(mask, runtime) }),
      causal: args.is_causal === true,
      dropout: numberArg(args, "dropout_p"),
      ...(given(args, "scale") && isNumber(args.scale) && { scale: numberArg(args, "scale") }),
    });
  },
);
define(BOTH, "cross", "input, other, dim=None", (args, runtime) => {
  const [a, b] = promoted([tensorArg(args, "input"), tensorArg(args, "other")], runtime) as [Node, Node];
  const axis = given(args, "dim") ? axisArg(args, "dim", a.shape.length) : a.shape.indexOf(3);
  const part = (x: Node, i: number): Node => build.narrow(x, axis, i, i + 1);
  const minor = (i: number, j: number): Node =>
    build.sub(build.mul(part(a, i), part(b, j)), build.mul(part(a, j), part(b, i)));
  return build.concat([minor(1, 2), minor(2, 0), minor(0, 1)], axis);
});
