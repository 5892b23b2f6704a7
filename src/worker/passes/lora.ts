import { UserError } from "../formats/errors";
import { at, transpose } from "../graph/build";
import { type Graph, rewrite } from "../graph/graph";
import { layerCallOf, weightIn } from "../graph/layers";
import { is, type Node } from "../graph/node";
import { sameShape, shapeText } from "../graph/shapes";
import { weightOf } from "../lora/targets/layer";
import { operandsOf } from "../lora/variants/operands";
import type { Call, LayerAdapter, Operands } from "../lora/variants/variant";

export interface InjectOptions {
  /**
   * As `model.eval()` under `torch.no_grad()` computes it: where PyTorch then takes a kernel of its own, which reads the
   * layer's weight, the adapter has no part. Training does not take it.
   */
  readonly skipFused?: boolean;
}

/**
 * Puts an adapter on every call of each layer: its variant says what the call then gives. A layer with a forward of its own
 * is adapted likewise. As in PEFT, which wraps the layer, code that reads W without calling the layer sees no adapter.
 * A product `alpha x W` with a weight stored [in, out], as HF's Conv1D and Keras' Dense keep it, is a call, too. A layer
 * that is called twice has one adapter.
 */
export function injectLora(
  graph: Graph,
  adapters: readonly LayerAdapter[],
  { skipFused = false }: InjectOptions = {},
): Graph {
  const placed = adapters.map((adapter): Placed => ({ adapter, operands: operandsOf(adapter, parameterIn(graph)) }));
  const isMarked = ({ adapter }: Placed) => adapter.layer.marked === true;
  const byPath = new Map(placed.filter(isMarked).map((one) => [one.adapter.layer.path, one]));
  const byWeight = new Map(
    placed.filter((one) => !isMarked(one)).map((one) => [weightOf(one.adapter.layer).path, one]),
  );
  return rewrite(graph, (node, keep) => {
    const use = callOf(node, byPath, skipFused) ?? useOf(node, byWeight);
    if (!use) return keep();
    const { adapter, operands } = use.placed;
    return at(node.place, () => adapter.variant.forward(adapter, use.call, operands));
  });
}

interface Placed {
  readonly adapter: LayerAdapter;
  readonly operands: Operands;
}

interface Use {
  readonly placed: Placed;
  readonly call: Call;
}

/** The graph's parameter at a path. */
export function parameterIn(graph: Graph): (path: string) => Node {
  return (path) => {
    const node = graph.parameters.find(({ attrs }) => attrs.path === path);
    if (!node) throw new Error(`graph ${graph.name} has no parameter ${path}`);
    return node;
  };
}

/** The layer whose call gives this. */
function callOf(node: Node, byPath: ReadonlyMap<string, Placed>, skipFused: boolean): Use | undefined {
  const call = layerCallOf(node);
  const placed = call && byPath.get(call.layer);
  if (!placed || (call.fused && skipFused)) return undefined;
  const { output: base, input: x } = call;
  const { path, inFeatures, outFeatures } = placed.adapter.layer;
  const expected = [...x.shape.slice(0, -1), outFeatures];
  if (x.shape.at(-1) !== inFeatures || !sameShape(base.shape, expected)) {
    throw new UserError(
      `${path} is called with ${shapeText(x.shape)} and gives ${shapeText(base.shape)}; an adapter takes ${inFeatures} features to ${outFeatures}, so PEFT cannot add it there: leave the layer out of the target modules`,
    );
  }
  return { placed, call: { x, base, scale: 1 } };
}

/** The layer whose product this is: x W^T with W [out, in], x W with W [in, out]. */
function useOf(node: Node, byWeight: ReadonlyMap<string, Placed>): Use | undefined {
  if (byWeight.size === 0 || (!is(node, "linear") && !is(node, "matmul"))) return undefined;
  const weight = weightIn(node);
  const placed = weight && byWeight.get(weight.path);
  if (!placed || weightOf(placed.adapter.layer).fanInFanOut !== weight.fanInFanOut) return undefined;
  const x = node.inputs[0]!;
  if (is(node, "linear")) return { placed, call: { x, base: node, scale: 1 } };
  return { placed, call: { x: node.attrs.transposeA ? swapped(x) : x, base: node, scale: node.attrs.alpha } };
}

function swapped(x: Node): Node {
  const rank = x.shape.length;
  return transpose(
    x,
    x.shape.map((_, i) => (i === rank - 1 ? rank - 2 : i === rank - 2 ? rank - 1 : i)),
  );
}
