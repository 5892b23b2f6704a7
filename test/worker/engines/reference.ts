import { convert } from "../../../src/worker/formats/convert";
import type { Tensor } from "../../../src/worker/formats/tensor";
import { sizeOf } from "../../../src/worker/formats/tensor";
import type { Graph } from "../../../src/worker/graph/graph";
import type { Node } from "../../../src/worker/graph/node";
import type { OpName } from "../../../src/worker/graph/ops";

/** A tensor of plain numbers. */
export interface Values {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** The outputs of a graph, computed element by element in float64 from each op's definition. */
export function evaluate(graph: Graph, values: ReadonlyMap<string, Tensor>): Map<string, Values> {
  const done = new Map<Node, Values>();
  for (const node of graph.nodes) {
    const op = OPS[node.op] as (x: Values[], n: Node) => number[] | Float64Array;
    const name = (node.attrs as { name?: string; path?: string }).name ?? (node.attrs as { path?: string }).path;
    const fed = node.op === "input" || node.op === "parameter" ? values.get(name!) : undefined;
    const data = fed
      ? numbers(fed)
      : Float64Array.from(
          op(
            node.inputs.map((n) => done.get(n)!),
            node,
          ),
        );
    if (data.length !== sizeOf(node.shape)) throw new Error(`${node.op}: ${data.length} values for [${node.shape}]`);
    done.set(node, { shape: node.shape, data });
  }
  return new Map([...graph.outputs].map(([name, node]) => [name, done.get(node)!]));
}

export function numbers(tensor: Tensor): Float64Array {
  return convert(tensor, "float64").data as Float64Array;
}

type Op<O extends OpName> = (x: Values[], node: Node<O>) => ArrayLike<number>;

const OPS: { readonly [O in OpName]: Op<O> } = {
  input: missing,
  parameter: missing,
  constant: (_, node) => {
    const given = Array.from(node.attrs.data as ArrayLike<number | bigint>, Number);
    return given.length === 1 ? filled(sizeOf(node.shape), given[0]!) : given;
  },
  arange: (_, { shape, attrs }) => Array.from({ length: shape[0]! }, (_v, i) => attrs.start + i * attrs.step),
  neg: map((v) => -v),
  abs: map(Math.abs),
  sign: map(Math.sign),
  exp: map(Math.exp),
  log: map(Math.log),
  sqrt: map(Math.sqrt),
  reciprocal: map((v) => 1 / v),
  sin: map(Math.sin),
  cos: map(Math.cos),
  tanh: map(Math.tanh),
  sigmoid: map((v) => 1 / (1 + Math.exp(-v))),
  erf: map(erf),
  atan: map(Math.atan),
  log1p: map(Math.log1p),
  expm1: map(Math.expm1),
  relu: map((v) => Math.max(v, 0)),
  gelu: (x, node) =>
    x[0]!.data.map((v) =>
      node.attrs.approximate === "none"
        ? (v / 2) * (1 + erf(v / Math.SQRT2))
        : (v / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
    ),
  floor: map(Math.floor),
  ceil: map(Math.ceil),
  round: map((v) => (Math.abs(v % 1) === 0.5 ? 2 * Math.round(v / 2) : Math.round(v))),
  not: map((v) => (v === 0 ? 1 : 0)),
  cast: (x, node) => numbers(convert({ dtype: "float64", shape: node.shape, data: x[0]!.data }, node.attrs.to)),
  dropout: map((v) => v),
  detach: map((v) => v),
  layer: map((v) => v),
  add: zip((a, b) => a + b),
  sub: zip((a, b) => a - b),
  mul: zip((a, b) => a * b),
  div: (x, node) => zip(node.dtype.includes("float") ? (a, b) => a / b : (a, b) => Math.trunc(a / b))(x, node as Node),
  pow: zip((a, b) => a ** b),
  maximum: zip(Math.max),
  minimum: zip(Math.min),
  equal: zip((a, b) => Number(a === b)),
  less: zip((a, b) => Number(a < b)),
  lessEqual: zip((a, b) => Number(a <= b)),
  and: zip((a, b) => Number(a !== 0 && b !== 0)),
  or: zip((a, b) => Number(a !== 0 || b !== 0)),
  where: ([c, a, b], { shape }) => build(shape, (at) => (read(c!, at) !== 0 ? read(a!, at) : read(b!, at))),
  linear: ([x, w, b], { shape }) =>
    build(shape, (at) => {
      const row = at.slice(0, -1);
      const o = at.at(-1)!;
      return sum(x!.shape.at(-1)!, (k) => read(x!, [...row, k]) * read(w!, [o, k])) + (b ? read(b, [o]) : 0);
    }),
  matmul: ([a, b, c], { shape, attrs }) => {
    const { transposeA, transposeB, alpha } = attrs;
    const inner = a!.shape.at(transposeA ? -2 : -1)!;
    return build(shape, (at) => {
      const [lead, i, j] = [at.slice(0, -2), at.at(-2)!, at.at(-1)!];
      const left = (k: number) => read(a!, [...lead, ...(transposeA ? [k, i] : [i, k])]);
      const right = (k: number) => read(b!, [...lead, ...(transposeB ? [j, k] : [k, j])]);
      return alpha * sum(inner, (k) => left(k) * right(k)) + (c ? read(c, at) : 0);
    });
  },
  conv: ([x, w, b], { shape, attrs }) =>
    build(shape, ([n, o, ...at]) => {
      const [out, inner] = w!.shape as [number, number];
      const first = Math.floor(o! / (out / attrs.groups)) * inner;
      let total = b ? b.data[o!]! : 0;
      for (const [c, ...k] of positions(w!.shape.slice(1))) {
        const from = at.map((v, i) => v * attrs.strides[i]! + k[i]! * attrs.dilations[i]! - attrs.before[i]!);
        if (from.some((v, i) => v < 0 || v >= x!.shape[i + 2]!)) continue;
        total += read(x!, [n!, first + c!, ...from]) * read(w!, [o!, c!, ...k]);
      }
      return total;
    }),
  convTranspose: ([x, w, b], { shape, attrs }) => {
    const [channels, outPerGroup] = w!.shape as [number, number];
    const data = Float64Array.from(build(shape, ([, o]) => (b ? b.data[o!]! : 0)));
    for (const [n, c, ...at] of positions(x!.shape)) {
      const group = Math.floor(c! / (channels / attrs.groups));
      for (const [o, ...k] of positions(w!.shape.slice(1))) {
        const to = at.map((v, i) => v * attrs.strides[i]! + k[i]! * attrs.dilations[i]! - attrs.before[i]!);
        if (to.some((v, i) => v < 0 || v >= shape[i + 2]!)) continue;
        const place = offset(shape, [n!, group * outPerGroup + o!, ...to]);
        data[place]! += read(x!, [n!, c!, ...at]) * read(w!, [c!, o!, ...k]);
      }
    }
    return data;
  },
  maxPool: ([x], node) => largestInWindows(x!, node).map(({ value }) => value),
  maxPoolIndices: ([x], node) => largestInWindows(x!, node).map(({ place }) => place),
  reshape: map((v) => v),
  transpose: ([x], { shape, attrs }) =>
    build(shape, (at) =>
      read(
        x!,
        attrs.perm.map((_, axis) => at[attrs.perm.indexOf(axis)]!),
      ),
    ),
  expand: ([x], { shape }) => build(shape, (at) => read(x!, at)),
  slice: ([x], { shape, attrs }) =>
    build(shape, (at) =>
      read(
        x!,
        at.map((v, i) => attrs.starts[i]! + v * attrs.steps[i]!),
      ),
    ),
  concat: (x, { shape, attrs }) =>
    build(shape, (at) => {
      let i = at[attrs.axis]!;
      for (const part of x) {
        const length = part.shape[attrs.axis]!;
        if (i < length) return read(part, at.with(attrs.axis, i));
        i -= length;
      }
      throw new Error("beyond the parts");
    }),
  pad: ([x], { shape, attrs }) =>
    build(shape, (at) => {
      const from = at.map((v, i) => v - attrs.before[i]!);
      return from.every((v, i) => v >= 0 && v < x!.shape[i]!) ? read(x!, from) : attrs.value;
    }),
  gather: ([x, index], { shape, attrs }) =>
    build(shape, (at) => {
      const i = read(index!, at.slice(attrs.axis, attrs.axis + index!.shape.length));
      return read(x!, [...at.slice(0, attrs.axis), i, ...at.slice(attrs.axis + index!.shape.length)]);
    }),
  scatterAdd: ([index, updates], { shape, attrs }) =>
    scatter(shape, updates!, (at) => {
      const rank = index!.shape.length;
      const i = read(index!, at.slice(attrs.axis, attrs.axis + rank));
      return [...at.slice(0, attrs.axis), i, ...at.slice(attrs.axis + rank)];
    }),
  gatherElements: ([x, index], { shape, attrs }) =>
    build(shape, (at) => read(x!, at.with(attrs.axis, read(index!, at)))),
  scatterElements: ([x, index, updates], { shape, attrs }) => {
    const data = Float64Array.from(x!.data);
    for (const at of positions(updates!.shape)) {
      data[offset(shape, at.with(attrs.axis, read(index!, at)))] = read(updates!, at);
    }
    return data;
  },
  scatterElementsAdd: ([index, updates], { shape, attrs }) =>
    scatter(shape, updates!, (at) => at.with(attrs.axis, read(index!, at))),
  sum: reduceWith((v) => v.reduce((a, b) => a + b, 0)),
  mean: reduceWith((v) => v.reduce((a, b) => a + b, 0) / v.length),
  max: reduceWith((v) => Math.max(...v)),
  min: reduceWith((v) => Math.min(...v)),
  prod: reduceWith((v) => v.reduce((a, b) => a * b, 1)),
  argmax: ([x], node) =>
    reduceAxes(x!, [node.attrs.axis], node.shape, node.attrs.keepDims, (v) => v.indexOf(Math.max(...v))),
  argmin: ([x], node) =>
    reduceAxes(x!, [node.attrs.axis], node.shape, node.attrs.keepDims, (v) => v.indexOf(Math.min(...v))),
  topK: ([x], node) => sortedAlong(x!, node).map(({ value }) => value),
  topKIndices: ([x], node) => sortedAlong(x!, node).map(({ place }) => place),
  cumsum: ([x], { shape, attrs }) =>
    build(shape, (at) => sum(at[attrs.axis]! + 1, (k) => read(x!, at.with(attrs.axis, k)))),
  softmax: ([x], { shape, attrs }) =>
    build(
      shape,
      (at) => Math.exp(read(x!, at)) / sum(shape[attrs.axis]!, (k) => Math.exp(read(x!, at.with(attrs.axis, k)))),
    ),
  logSoftmax: ([x], { shape, attrs }) =>
    build(
      shape,
      (at) => read(x!, at) - Math.log(sum(shape[attrs.axis]!, (k) => Math.exp(read(x!, at.with(attrs.axis, k))))),
    ),
  layerNorm: ([x, w, b], { shape, attrs }) =>
    build(shape, (at) => {
      const { mean, variance } = statistics(x!, at, attrs.dims);
      const inner = at.slice(at.length - attrs.dims);
      const normalized = (read(x!, at) - mean) / Math.sqrt(variance + attrs.eps);
      return normalized * (w ? read(w, inner) : 1) + (b ? read(b, inner) : 0);
    }),
  layerNormMean: ([x], { shape, attrs }) => build(shape, (at) => statistics(x!, at, attrs.dims).mean),
  layerNormInvStd: ([x], { shape, attrs }) =>
    build(shape, (at) => 1 / Math.sqrt(statistics(x!, at, attrs.dims).variance + attrs.eps)),
};

function missing(): never {
  throw new Error("no value was given for a leaf");
}

function map(f: (v: number) => number): Op<OpName> {
  return (x) => x[0]!.data.map(f);
}

function zip(f: (a: number, b: number) => number): Op<OpName> {
  return ([a, b], { shape }) => build(shape, (at) => f(read(a!, at), read(b!, at)));
}

function reduceWith(f: (v: number[]) => number): Op<"sum" | "mean" | "max" | "min" | "prod"> {
  return ([x], { shape, attrs }) => reduceAxes(x!, attrs.axes, shape, attrs.keepDims, f);
}

function reduceAxes(
  x: Values,
  axes: readonly number[],
  shape: readonly number[],
  keepDims: boolean,
  f: (v: number[]) => number,
): number[] {
  const inner = axes.map((axis) => x.shape[axis]!);
  return build(shape, (at) => {
    const kept = keepDims ? at.filter((_, i) => !axes.includes(i)) : at;
    const values = positions(inner).map((along) => {
      let next = 0;
      return read(
        x,
        x.shape.map((_, i) => (axes.includes(i) ? along[axes.indexOf(i)]! : kept[next++]!)),
      );
    });
    return f(values);
  });
}

interface Placed {
  readonly value: number;
  readonly place: number;
}

function largestInWindows(x: Values, { shape, attrs }: Node<"maxPool"> | Node<"maxPoolIndices">): Placed[] {
  return positions(shape).map(([n, c, ...at]) => {
    let best: Placed = { value: Number.NEGATIVE_INFINITY, place: -1 };
    for (const k of positions(attrs.kernel)) {
      const from = at.map((v, i) => v * attrs.strides[i]! + k[i]! * attrs.dilations[i]! - attrs.before[i]!);
      if (from.some((v, i) => v < 0 || v >= x.shape[i + 2]!)) continue;
      const value = read(x, [n!, c!, ...from]);
      if (value > best.value) best = { value, place: offset(x.shape.slice(2), from) };
    }
    return best;
  });
}

function sortedAlong(x: Values, { shape, attrs }: Node<"topK"> | Node<"topKIndices">): Placed[] {
  const { axis, largest } = attrs;
  return positions(shape).map((at) => {
    const row = Array.from({ length: x.shape[axis]! }, (_, place) => ({ value: read(x, at.with(axis, place)), place }));
    row.sort((p, q) => (largest ? q.value - p.value : p.value - q.value) || p.place - q.place);
    return row[at[axis]!]!;
  });
}

function statistics(x: Values, at: readonly number[], dims: number): { mean: number; variance: number } {
  const lead = at.slice(0, at.length - dims);
  const values = positions(x.shape.slice(x.shape.length - dims)).map((inner) => read(x, [...lead, ...inner]));
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return { mean, variance: values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length };
}

function scatter(shape: readonly number[], updates: Values, to: (at: number[]) => number[]): Float64Array {
  const data = new Float64Array(sizeOf(shape));
  for (const at of positions(updates.shape)) data[offset(shape, to(at))]! += read(updates, at);
  return data;
}

function build(shape: readonly number[], f: (at: number[]) => number): number[] {
  return positions(shape).map(f);
}

/** Every index tuple of a shape, in row-major order. */
function positions(shape: readonly number[]): number[][] {
  return shape.reduce<number[][]>(
    (all, d) => all.flatMap((at) => Array.from({ length: d }, (_, i) => [...at, i])),
    [[]],
  );
}

/** The element at `at`, broadcasting leading and size-1 axes. */
function read({ shape, data }: Values, at: readonly number[]): number {
  const lead = at.length - shape.length;
  return data[
    offset(
      shape,
      shape.map((d, i) => (d === 1 ? 0 : at[lead + i]!)),
    )
  ]!;
}

function offset(shape: readonly number[], at: readonly number[]): number {
  return shape.reduce((n, d, i) => n * d + at[i]!, 0);
}

function sum(count: number, f: (k: number) => number): number {
  let total = 0;
  for (let k = 0; k < count; k++) total += f(k);
  return total;
}

function filled(length: number, value: number): Float64Array {
  return new Float64Array(length).fill(value);
}

/** erf by its power series, summed until the terms vanish; |x| beyond 6 is 1 in float64. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let total = x;
  for (let n = 1; Math.abs(term) > 1e-18; n++) {
    term *= (-x * x) / n;
    total += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}
