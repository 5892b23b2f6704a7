import type { Graph } from "../graph/graph";
import { is, type Node, type SourcePlace } from "../graph/node";
import type { Model, ModuleInfo, ParameterInfo, Problem } from "../readers/model";

/**
 * Mistakes in LoRA that people write by hand, found by what is computed and not by names: the product of an input with
 * two parameters over a small inner dimension, added to the product of the same input with a parameter of its own.
 * https://arxiv.org/abs/2106.09685, section 4.1: h = W x + (alpha / r) B A x, with W frozen and B zero at first.
 */

/** A low-rank path beside a base weight. */
interface Adapter {
  /** Paths of the first and second factor and of the base weight. */
  readonly down: string;
  readonly up: string;
  readonly base: string;
  readonly rank: number;
  /** Product of the constant factors on the low-rank path; undefined when there is none. */
  readonly factor: number | undefined;
  readonly factorPlace: SourcePlace | undefined;
  readonly place: SourcePlace | undefined;
}

export function handwrittenLora(model: Model, graph: Graph | undefined, text: string): Problem[] {
  if (!graph) return [];
  const adapters = adaptersOf(graph);
  const byPath = new Map(model.stateDict.map((p) => [p.path, p]));
  return [
    ...adapters.flatMap((adapter) => [
      ...scaling(adapter, model, text),
      ...initialization(adapter, model, byPath),
      ...freezing(adapter, model, byPath, text),
    ]),
    ...unused(model, graph),
  ];
}

function scaling({ factor, rank, place, factorPlace }: Adapter, model: Model, text: string): Problem[] {
  if (factor === undefined) {
    // A factor of 1, alpha being the rank, leaves no trace in the graph; the code says whether it is there.
    if (mentionsScale(text, place, model)) return [];
    return [
      {
        place: place ?? model.place,
        severity: "warning",
        code: "lora-missing-scale",
        message: `This low-rank path of rank ${rank} is added without a factor. LoRA scales it by alpha / r, so that the learning rate need not change with the rank. Multiply the path by alpha / ${rank}.`,
      },
    ];
  }
  const at = factorPlace && expressionText(text, factorPlace);
  if (at === undefined || !/alpha/i.test(at) || /\/|scal/i.test(at) || rank === 1) return [];
  return [
    {
      place: factorPlace ?? model.place,
      severity: "information",
      code: "lora-alpha-without-rank",
      message: `The low-rank path is scaled by alpha alone, ${format(factor)}; LoRA and PEFT scale by alpha / r, here ${format(factor)} / ${rank} = ${format(factor / rank)}. Divide by the rank, or read this alpha as PEFT's lora_alpha of ${format(factor * rank)}.`,
    },
  ];
}

function mentionsScale(text: string, place: SourcePlace | undefined, model: Model): boolean {
  const near = place
    ? lines(text, place.line - 12, place.endLine + 12)
    : lines(text, model.place.line, model.place.endLine);
  return /scal|alpha/i.test(near);
}

function initialization(
  { down, up, place }: Adapter,
  model: Model,
  byPath: ReadonlyMap<string, ParameterInfo>,
): Problem[] {
  const [a, b] = [isZero(byPath.get(down)), isZero(byPath.get(up))];
  if (a === undefined || b === undefined || a !== b) return [];
  const names = `${last(down)} and ${last(up)}`;
  const message = a
    ? `${names} both start at zero, so neither ever gets a gradient and the adapter stays at nothing. Start ${last(down)} from random numbers.`
    : `Neither of ${names} starts at zero, so the adapted layer's output differs from the base layer's before any training. LoRA starts ${last(up)} at zero.`;
  return [
    { place: place ?? model.place, severity: a ? "warning" : "information", code: "lora-initialization", message },
  ];
}

function isZero(parameter: ParameterInfo | undefined): boolean | undefined {
  if (!parameter) return undefined;
  const { initializer } = parameter;
  if (initializer.kind === "graph") return undefined;
  return initializer.kind === "constant" && initializer.value === 0;
}

function freezing(
  { base, down, up, place }: Adapter,
  model: Model,
  byPath: ReadonlyMap<string, ParameterInfo>,
  text: string,
): Problem[] {
  const weight = byPath.get(base);
  const trains = [down, up].some((path) => !byPath.get(path)?.frozen);
  // Freezing is often a function of its own, called when training starts.
  if (!weight || weight.buffer || weight.frozen || !trains || /requires_grad|freeze|no_grad|\.detach\(/i.test(text))
    return [];
  return [
    {
      place: place ?? model.place,
      severity: "warning",
      code: "lora-not-frozen",
      message: `${base}, the weight beside this low-rank path, is trained as well: nothing in this file freezes it. That is full fine-tuning, with its memory. Set its requires_grad to False.`,
    },
  ];
}

/** Adapter parameters that no output depends on. Without a path in the graph, names are all there is to go by. */
function unused(model: Model, graph: Graph): Problem[] {
  const used = new Set(graph.parameters.map((p) => p.attrs.path));
  const idle = model.stateDict.filter(
    ({ path, buffer, tiedTo, shape }) =>
      !buffer && tiedTo === undefined && shape.length === 2 && /lora/i.test(path) && !used.has(path),
  );
  if (idle.length === 0) return [];
  const named = idle.slice(0, 4).map((p) => p.path);
  const more = idle.length > named.length ? ` and ${idle.length - named.length} more` : "";
  return [
    {
      place: placeOf(model, idle[0]!.path),
      severity: "warning",
      code: "lora-unused",
      message: `${named.join(", ")}${more}: no output of ${model.className} depends on ${idle.length === 1 ? "it" : "them"}, so this adapter is never trained. Add its path to the layer's output in forward.`,
    },
  ];
}

/** Where the module that holds the parameter is constructed. */
function placeOf(model: Model, path: string): SourcePlace {
  let found: ModuleInfo = model.root;
  for (;;) {
    const next: ModuleInfo | undefined = found.children.find((c) => path.startsWith(`${c.path}.`));
    if (!next) break;
    found = next;
  }
  const { place } = found;
  return found === model.root
    ? { ...place, endLine: place.line, endColumn: place.column + `class ${found.kind}`.length }
    : place;
}

// The pattern

function adaptersOf(graph: Graph): Adapter[] {
  const adapters: Adapter[] = [];
  for (const node of graph.nodes) {
    if (!is(node, "add")) continue;
    const [a, b] = node.inputs as [Node, Node];
    for (const [base, path] of [
      [a, b],
      [b, a],
    ] as const) {
      const found = besides(base, path) ?? weightSum(base, path, node);
      if (found) adapters.push(found);
    }
  }
  return adapters;
}

/** base(x) + path(x) */
function besides(base: Node, path: Node): Adapter | undefined {
  const first = productOf(base);
  if (!first) return undefined;
  const low = lowRank(path);
  if (!low || unwrapped(low.x) !== unwrapped(first.x)) return undefined;
  if (first.takes !== low.takes || first.gives !== low.gives) return undefined;
  return { ...low, base: first.weight };
}

/** W + path, the sum of weights: both factors are parameters. */
function weightSum(base: Node, path: Node, sum: Node): Adapter | undefined {
  const weight = parameterOf(base);
  const { node, factor, place } = scaled(path);
  if (!weight || !is(node, "matmul") || sum.shape.length !== 2) return undefined;
  const [left, right] = [parameterOf(node.inputs[0]!), parameterOf(node.inputs[1]!)];
  const [rows, columns] = sum.shape;
  const rank = node.inputs[0]!.shape.at(node.attrs.transposeA ? -2 : -1)!;
  if (!left || !right || !isLow(rank, rows!, columns!)) return undefined;
  const own = node.attrs.alpha === 1 ? factor : (factor ?? 1) * node.attrs.alpha;
  return { down: right, up: left, base: weight, rank, factor: own, factorPlace: place, place: node.place };
}

interface Product {
  readonly x: Node;
  readonly weight: string;
  readonly takes: number;
  readonly gives: number;
  readonly bias: boolean;
}

function productOf(node: Node): Product | undefined {
  if (is(node, "linear") || is(node, "matmul")) {
    const [x, w, c] = node.inputs as [Node, Node, Node | undefined];
    const weight = parameterOf(w);
    if (weight === undefined || w.shape.length !== 2) return undefined;
    return { x, weight, takes: x.shape.at(-1)!, gives: node.shape.at(-1)!, bias: c !== undefined };
  }
  // x @ W + b
  if (is(node, "add")) {
    const product = node.inputs.find((n) => is(n, "matmul"));
    const other = node.inputs.find((n) => n !== product);
    if (product && other && parameterOf(other) !== undefined && other.shape.length === 1) return productOf(product);
  }
  return undefined;
}

/** x times two parameters over a small inner dimension, with constant factors anywhere on the way. */
function lowRank(path: Node): (Omit<Adapter, "base"> & { x: Node; takes: number; gives: number }) | undefined {
  const outer = scaled(path);
  const up = productOf(outer.node);
  if (!up || up.bias) return undefined;
  const inner = scaled(up.x);
  const down = productOf(inner.node);
  if (!down || down.bias || !isLow(down.gives, down.takes, up.gives)) return undefined;
  const before = scaled(down.x);
  const factors = [outer.factor, inner.factor, before.factor, alphaOf(outer.node), alphaOf(inner.node)].filter(
    (f) => f !== undefined,
  );
  return {
    down: down.weight,
    up: up.weight,
    rank: down.gives,
    factor: factors.length === 0 ? undefined : factors.reduce((p, f) => p * f, 1),
    factorPlace: outer.place ?? inner.place ?? before.place,
    place: outer.node.place,
    x: before.node,
    takes: down.takes,
    gives: up.gives,
  };
}

function alphaOf(node: Node): number | undefined {
  return is(node, "matmul") && node.attrs.alpha !== 1 ? node.attrs.alpha : undefined;
}

/** Half the smaller side or less: above that it saves nothing and is some other design. */
const isLow = (rank: number, takes: number, gives: number): boolean => rank * 2 <= Math.min(takes, gives);

/** The node below dropout, casts and constant factors, and the factors' product. */
function scaled(start: Node): { node: Node; factor: number | undefined; place: SourcePlace | undefined } {
  let node = start;
  let factor: number | undefined;
  let place: SourcePlace | undefined;
  for (;;) {
    if (is(node, "dropout") || is(node, "cast")) {
      node = node.inputs[0]!;
      continue;
    }
    if (!is(node, "mul") && !is(node, "div")) return { node, factor, place };
    const [a, b] = node.inputs as [Node, Node];
    const value = constantOf(b) ?? (is(node, "mul") ? constantOf(a) : undefined);
    // A factor that is a parameter, as a learned gate, is a factor, too.
    const learned = value === undefined && [a, b].some((n) => is(n, "parameter") && n.shape.every((d) => d === 1));
    if (value === undefined && !learned) return { node, factor, place };
    factor = (factor ?? 1) * (value === undefined ? 1 : is(node, "div") ? 1 / value : value);
    place ??= node.place;
    const onLeft = constantOf(b) === undefined && (constantOf(a) !== undefined || (is(a, "parameter") && learned));
    node = onLeft ? b : a;
  }
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

/** The parameter's path, also of its transpose. */
function parameterOf(node: Node): string | undefined {
  if (is(node, "parameter")) return node.attrs.path;
  return (is(node, "transpose") || is(node, "cast")) && node.inputs[0] ? parameterOf(node.inputs[0]) : undefined;
}

// Source text

function lines(text: string, from: number, to: number): string {
  return text
    .split("\n", Math.max(0, to))
    .slice(Math.max(0, from - 1))
    .join("\n");
}

function expressionText(text: string, { line, column, endLine, endColumn }: SourcePlace): string {
  const all = text.split("\n", endLine).slice(line - 1);
  if (all.length === 0) return "";
  all[all.length - 1] = all.at(-1)!.slice(0, endColumn - 1);
  all[0] = all[0]!.slice(column - 1);
  return all.join("\n");
}

const last = (path: string): string => path.split(".").slice(-2).join(".");

const format = (value: number): string => String(Number(value.toPrecision(6)));
