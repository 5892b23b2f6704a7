import { UserError } from "../../formats/errors";
import type { Graph } from "../../graph/graph";
import { type LayerCall, layerCallOf, unshaped, weightIn } from "../../graph/layers";
import { is, type Node } from "../../graph/node";
import { sameShape } from "../../graph/shapes";
import type { LayerWeight, Model } from "../../readers/model";
import { weightOf } from "./layer";
import { targetableLayers } from "./targets";

/** How a model's forward uses a linear layer. */
export interface LayerUse {
  /** It is called. An adapter on a layer that is not called has no effect, since PEFT wraps the call. */
  readonly called: boolean;
  /** Its weight is used. */
  readonly used: boolean;
  /** Its weight is used in a product as it is, like in the layer's call. */
  readonly multiplied: boolean;
  /**
   * Other uses of its weight than the product with the layer's input, by which the adapted and the merged layer differ.
   * `weight`: code reads it; `forward`: the layer's class computes more than a product.
   */
  readonly besides: "nothing" | "weight" | "forward";
}

/**
 * How the model uses each linear layer whose calls are marked, by path. Undefined when the model cannot be traced without
 * being given inputs.
 */
export function layerUses(model: Model): ReadonlyMap<string, LayerUse> | undefined {
  try {
    return usesIn(model.trace().graph, model);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** Of one trace. */
export function usesIn(graph: Graph, model: Pick<Model, "root" | "stateDict">): Map<string, LayerUse> {
  const shared = new Map(model.stateDict.map(({ path, tiedTo }) => [path, tiedTo ?? path]));
  const uses = weightUses(graph);
  const calls = new Map<string, LayerCall[]>();
  for (const node of graph.nodes) {
    const call = layerCallOf(node);
    if (call) calls.set(call.layer, [...(calls.get(call.layer) ?? []), call]);
  }
  const found = new Map<string, LayerUse>();
  for (const layer of targetableLayers(model)) {
    if (!layer.marked) continue;
    const own = calls.get(layer.path) ?? [];
    const { path, fanInFanOut } = weightOf(layer);
    const weight = { path: shared.get(path) ?? path, fanInFanOut };
    const products = own.map((call) => productIn(call.output, call, weight));
    const others = (uses.get(weight.path) ?? []).filter((node) => !products.includes(node));
    const isOwnForward = products.includes(undefined);
    found.set(layer.path, {
      called: own.length > 0,
      used: uses.has(weight.path),
      multiplied: uses.get(weight.path)?.some((node) => is(node, "linear") || is(node, "matmul")) === true,
      besides: others.length === 0 ? "nothing" : isOwnForward ? "forward" : "weight",
    });
  }
  return found;
}

/**
 * The product of the call's input and the layer's weight that the call gives, perhaps with something added to it:
 * adding to the weight changes it as an adapter beside it does.
 */
function productIn(node: Node, call: LayerCall, weight: LayerWeight): Node | undefined {
  if (is(node, "reshape") && isRowwise(node, node.inputs[0]!)) return productIn(node.inputs[0]!, call, weight);
  if (is(node, "add")) {
    const parts = node.inputs.filter((part) => sameShape(part.shape, node.shape));
    return parts.map((part) => productIn(part, call, weight)).find((product) => product !== undefined);
  }
  if (!is(node, "linear") && !is(node, "matmul")) return undefined;
  if (is(node, "matmul") && (node.attrs.transposeA || node.attrs.alpha !== 1)) return undefined;
  const taken = weightIn(node);
  const isIts = taken?.path === weight.path && taken.fanInFanOut === weight.fanInFanOut;
  return isIts && unshaped(node.inputs[0]!) === unshaped(call.input) ? node : undefined;
}

function isRowwise(a: Node, b: Node): boolean {
  return a.shape.at(-1) === b.shape.at(-1);
}

/** What is computed with each parameter, by path: the first nodes that do more than look at it in another way. */
function weightUses(graph: Graph): Map<string, Node[]> {
  const source = new Map<Node, string>();
  const uses = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    if (is(node, "parameter")) source.set(node, node.attrs.path);
    const paths = new Set(node.inputs.flatMap((operand) => source.get(operand) ?? []));
    const isView = is(node, "cast") || is(node, "transpose") || is(node, "reshape");
    for (const path of paths) {
      if (isView) source.set(node, path);
      else uses.set(path, [...(uses.get(path) ?? []), node]);
    }
  }
  return uses;
}
