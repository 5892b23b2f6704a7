import type { Graph } from "../../graph/graph";
import { is, type Node, type SourcePlace } from "../../graph/node";
import { sameShape } from "../../graph/shapes";

/**
 * Low-rank paths in a graph, found by what is computed: the product of an input with two parameters over a small inner
 * dimension, mostly added to the product of the same input with a parameter of its own.
 */
export interface LowRankPath {
  /** Paths of the first and second factor. */
  readonly down: string;
  readonly up: string;
  /** The weight beside it; undefined for a path that is a class's whole output. */
  readonly base: BaseWeight | undefined;
  readonly rank: number;
  /** Product of the constant factors on the path; undefined when there is none. */
  readonly factor: number | undefined;
  readonly factorPlace: SourcePlace | undefined;
  /** Parameters of one element that the path is multiplied by. */
  readonly gates: readonly string[];
  /** Biases of the two products. */
  readonly biases: readonly string[];
  readonly place: SourcePlace | undefined;
}

export interface BaseWeight {
  readonly path: string;
  /** It gets no gradient through its output. */
  readonly detached: boolean;
}

/**
 * @param isLora whether a parameter is of LoRA by name: products with biases, and paths beside nothing, are other
 * designs elsewhere.
 */
export function lowRankPaths(graph: Graph, isLora: (path: string) => boolean): LowRankPath[] {
  const found: LowRankPath[] = [];
  for (const node of graph.nodes) {
    if (!is(node, "add")) continue;
    const [a, b] = node.inputs as [Node, Node];
    for (const [base, path] of [
      [a, b],
      [b, a],
    ] as const) {
      const one = besides(base, path, isLora) ?? weightSum(base, path, node, isLora);
      if (one) found.push(one);
    }
  }
  const beside = new Set(found.map(({ up }) => up));
  for (const node of graph.outputs.values()) {
    const alone = lowRank(node, isLora);
    if (alone && isLora(alone.up) && !beside.has(alone.up)) found.push(pathOf(alone, undefined));
  }
  return found;
}

/** base(x) + path(x) */
function besides(base: Node, path: Node, isLora: (path: string) => boolean): LowRankPath | undefined {
  const { node, detached } = attached(base);
  const first = productOf(node);
  if (!first || first.merged) return undefined;
  const low = lowRank(path, isLora);
  if (!low || unwrapped(low.x) !== unwrapped(first.x)) return undefined;
  if (first.takes !== low.takes || first.gives !== low.gives) return undefined;
  return pathOf(low, { path: first.weight, detached: detached || first.detached });
}

function pathOf({ x: _x, takes: _takes, gives: _gives, ...path }: Low, base: BaseWeight | undefined): LowRankPath {
  return { ...path, base };
}

/** W + path, the sum of weights: both factors are parameters. A parametrization is given W. */
function weightSum(base: Node, path: Node, sum: Node, isLora: (path: string) => boolean): LowRankPath | undefined {
  const { node: own, detached } = attached(base);
  const weight = parameterOf(own);
  const { node, ...by } = scaled(path);
  if (!(weight || is(own, "input")) || sum.shape.length !== 2) return undefined;
  const pair = factorsOf(node);
  const [rows, columns] = sum.shape;
  if (!pair || !isLow(pair.rank, rows!, columns!) || !(weight || isLora(pair.left))) return undefined;
  const { left, right, rank } = pair;
  return {
    down: right,
    up: left,
    base: weight && { path: weight.path, detached: detached || weight.detached },
    rank,
    factor: product([by.factor, pair.factor]),
    factorPlace: by.place ?? pair.factorPlace,
    gates: [...by.gates, ...pair.gates],
    biases: [],
    place: node.place,
  };
}

interface Pair {
  readonly left: string;
  readonly right: string;
  readonly rank: number;
  readonly factor: number | undefined;
  readonly factorPlace: SourcePlace | undefined;
  readonly gates: readonly string[];
  /** It is the product's transpose that is meant. */
  readonly turned: boolean;
}

/** B A: a product of two parameters, either of them perhaps scaled. */
function factorsOf(given: Node): Pair | undefined {
  const { node, turned } = untransposed(given);
  if (!is(node, "matmul") && !is(node, "linear")) return undefined;
  if (is(node, "linear") && node.inputs[2]) return undefined;
  const [a, b] = [scaled(node.inputs[0]!), scaled(node.inputs[1]!)];
  const [left, right] = [parameterOf(a.node), parameterOf(b.node)];
  if (!left || !right) return undefined;
  const transposed = is(node, "matmul") && node.attrs.transposeA;
  const rank = node.inputs[0]!.shape.at(transposed ? -2 : -1)!;
  return {
    left: left.path,
    right: right.path,
    rank,
    factor: product([a.factor, b.factor, alphaOf(node)]),
    factorPlace: a.place ?? b.place,
    gates: [...a.gates, ...b.gates],
    turned,
  };
}

interface Product {
  readonly x: Node;
  readonly weight: string;
  readonly takes: number;
  readonly gives: number;
  readonly bias: string | undefined;
  readonly detached: boolean;
  /** The weight is a product itself, of two parameters, and which of them comes first: x (B A). */
  readonly merged: (Pair & { readonly first: string; readonly second: string }) | undefined;
  readonly factor: number | undefined;
  readonly factorPlace: SourcePlace | undefined;
  readonly gates: readonly string[];
}

function productOf(given: Node): Product | undefined {
  const node = is(given, "layer") ? given.inputs[0]! : given;
  if (is(node, "linear") || is(node, "matmul")) {
    const [x, w, c] = node.inputs as [Node, Node, Node | undefined];
    if (w.shape.length !== 2) return undefined;
    const { node: own, ...by } = scaled(w);
    const weight = parameterOf(own);
    const merged = weight ? undefined : mergedIn(own, is(node, "linear") || node.attrs.transposeB);
    const path = weight?.path ?? merged?.first;
    const bias = c && parameterOf(c);
    if (path === undefined || (c && !bias)) return undefined;
    return {
      x,
      weight: path,
      takes: x.shape.at(-1)!,
      gives: node.shape.at(-1)!,
      bias: bias?.path,
      detached: weight?.detached ?? false,
      merged,
      factor: product([by.factor, merged?.factor, alphaOf(node)]),
      factorPlace: by.place ?? merged?.factorPlace,
      gates: [...by.gates, ...(merged?.gates ?? [])],
    };
  }
  // x @ W + b
  if (is(node, "add")) {
    const main = node.inputs.find((n) => is(n, "matmul"));
    const other = node.inputs.find((n) => n !== main);
    const bias = other?.shape.length === 1 ? parameterOf(other) : undefined;
    const found = main && bias && productOf(main);
    return found && { ...found, bias: bias.path };
  }
  return undefined;
}

/** @param outFirst the weight is [out, in]. */
function mergedIn(weight: Node, outFirst: boolean): Product["merged"] {
  const pair = factorsOf(weight);
  if (!pair) return undefined;
  const { left, right, turned } = pair;
  return outFirst === turned ? { ...pair, first: left, second: right } : { ...pair, first: right, second: left };
}

interface Low extends Omit<LowRankPath, "base"> {
  readonly x: Node;
  readonly takes: number;
  readonly gives: number;
}

/** x times two parameters over a small inner dimension, with constant factors anywhere on the way. */
function lowRank(path: Node, isLora: (path: string) => boolean): Low | undefined {
  const outer = scaled(path);
  const up = productOf(outer.node);
  if (!up) return undefined;
  if (up.merged) return isLow(up.merged.rank, up.takes, up.gives) ? throughProduct(up, outer) : undefined;
  const inner = scaled(up.x);
  const down = productOf(inner.node);
  if (!down || down.merged || !isLow(down.gives, down.takes, up.gives)) return undefined;
  const biases = [down.bias, up.bias].filter((b) => b !== undefined);
  if (biases.length > 0 && !isLora(up.weight)) return undefined;
  const before = scaled(down.x);
  return {
    down: down.weight,
    up: up.weight,
    rank: down.gives,
    factor: product([outer.factor, inner.factor, before.factor, up.factor, down.factor]),
    factorPlace: outer.place ?? inner.place ?? before.place ?? up.factorPlace ?? down.factorPlace,
    gates: [outer, inner, before, up, down].flatMap(({ gates }) => gates),
    biases,
    place: outer.node.place,
    x: before.node,
    takes: down.takes,
    gives: up.gives,
  };
}

/** F.linear(x, B @ A), x @ (A @ B). */
function throughProduct(up: Product, outer: Scaled): Low | undefined {
  const { first, second, rank } = up.merged!;
  const before = scaled(up.x);
  if (up.bias !== undefined) return undefined;
  return {
    down: first,
    up: second,
    rank,
    factor: product([outer.factor, before.factor, up.factor]),
    factorPlace: outer.place ?? before.place ?? up.factorPlace,
    gates: [...outer.gates, ...before.gates, ...up.gates],
    biases: [],
    place: outer.node.place,
    x: before.node,
    takes: up.takes,
    gives: up.gives,
  };
}

function alphaOf(node: Node): number | undefined {
  return is(node, "matmul") && node.attrs.alpha !== 1 ? node.attrs.alpha : undefined;
}

function product(factors: readonly (number | undefined)[]): number | undefined {
  const known = factors.filter((f) => f !== undefined);
  return known.length === 0 ? undefined : known.reduce((p, f) => p * f, 1);
}

/** Half the smaller side or less: above that it saves nothing and is some other design. */
const isLow = (rank: number, takes: number, gives: number): boolean => rank * 2 <= Math.min(takes, gives);

interface Scaled {
  readonly node: Node;
  readonly factor: number | undefined;
  readonly place: SourcePlace | undefined;
  readonly gates: readonly string[];
}

/** The node below dropout, casts and factors of one element, and the factors' product. */
function scaled(start: Node): Scaled {
  let node = start;
  let factor: number | undefined;
  let place: SourcePlace | undefined;
  const gates: string[] = [];
  for (;;) {
    const [inner] = node.inputs;
    const isSame = inner !== undefined && is(node, "reshape") && sameShape(node.shape, inner.shape);
    if (is(node, "dropout") || is(node, "cast") || isSame) {
      node = inner!;
      continue;
    }
    if (!is(node, "mul") && !is(node, "div")) return { node, factor, place, gates };
    const [a, b] = node.inputs as [Node, Node];
    const isProduct = is(node, "mul");
    const onRight = factorOf(b);
    const own = onRight ?? (isProduct ? factorOf(a) : undefined);
    if (!own) return { node, factor, place, gates };
    factor = (factor ?? 1) * (isProduct ? own.value : 1 / own.value);
    gates.push(...own.gates);
    place ??= node.place;
    node = onRight ? a : b;
  }
}

/** A number, a parameter of one element, as a learned gate is, or a product of these. */
function factorOf(node: Node): { readonly value: number; readonly gates: readonly string[] } | undefined {
  if (is(node, "cast") || is(node, "expand") || is(node, "reshape")) return factorOf(node.inputs[0]!);
  if (is(node, "parameter"))
    return node.shape.every((d) => d === 1) ? { value: 1, gates: [node.attrs.path] } : undefined;
  if (is(node, "mul")) {
    const [a, b] = node.inputs.map(factorOf);
    return a && b && { value: a.value * b.value, gates: [...a.gates, ...b.gates] };
  }
  const value = constantOf(node);
  return value === undefined ? undefined : { value, gates: [] };
}

function constantOf(node: Node): number | undefined {
  if (is(node, "cast") || is(node, "expand") || is(node, "reshape")) return constantOf(node.inputs[0]!);
  return is(node, "constant") && node.attrs.data.length === 1 ? Number(node.attrs.data[0]) : undefined;
}

function unwrapped(node: Node): Node {
  let inner = node;
  while (is(inner, "dropout") || is(inner, "cast")) inner = inner.inputs[0]!;
  return inner;
}

function attached(given: Node): { readonly node: Node; readonly detached: boolean } {
  let node = given;
  let detached = false;
  while (is(node, "detach") || is(node, "cast")) {
    detached ||= is(node, "detach");
    node = node.inputs[0]!;
  }
  return { node, detached };
}

function untransposed(given: Node): { readonly node: Node; readonly turned: boolean } {
  let node = given;
  let turned = false;
  for (let inner = node.inputs[0]; inner; inner = node.inputs[0]) {
    const isSame = is(node, "reshape") && sameShape(node.shape, inner.shape);
    if (!isSame && !is(node, "transpose") && !is(node, "cast")) break;
    if (is(node, "transpose")) turned = !turned;
    node = inner;
  }
  return { node, turned };
}

/** The parameter, also of its transpose. */
function parameterOf(given: Node): BaseWeight | undefined {
  let node = given;
  let detached = false;
  for (;;) {
    if (is(node, "parameter")) return { path: node.attrs.path, detached };
    if (!is(node, "transpose") && !is(node, "cast") && !is(node, "detach")) return undefined;
    detached ||= is(node, "detach");
    node = node.inputs[0]!;
  }
}
