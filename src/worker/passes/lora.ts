import { at, transpose } from "../graph/build";
import { type Graph, rewrite } from "../graph/graph";
import { layerCallOf, weightIn } from "../graph/layers";
import { is, type Node } from "../graph/node";
import { weightOf } from "../lora/targets/layer";
import { operandsOf, parameterIn } from "../lora/variants/operands";
import type { Call, LayerAdapter, Operands, Variant } from "../lora/variants/variant";
import { mergeLora } from "./merge";

export interface InjectOptions {
  /**
   * As `model.eval()` under `torch.no_grad()` computes it: where PyTorch then takes a kernel of its own, which reads the
   * layer's weight, the adapter has no part. Training does not take it.
   */
  readonly skipFused?: boolean;
}

/**
 * Puts an adapter on every call of each layer: its variant says what the call then gives, or with which parameters it is
 * computed. A layer with a forward of its own is adapted likewise. As in PEFT, which wraps the layer, code that reads W
 * without calling the layer sees no adapter. A product `alpha x W` with a weight stored [in, out], as HF's Conv1D and
 * Keras' Dense keep it, is a call, too. A layer that is called twice has one adapter.
 */
export function injectLora(
  graph: Graph,
  adapters: readonly LayerAdapter[],
  { skipFused = false }: InjectOptions = {},
): Graph {
  const merged = adapters.filter(({ variant }) => !variant.forward);
  const source = merged.length > 0 ? mergeLora(graph, merged) : graph;
  const placed = adapters.flatMap((adapter): Placed[] => {
    const { forward } = adapter.variant;
    return forward ? [{ adapter, forward, operands: operandsOf(adapter, parameterIn(graph)) }] : [];
  });
  const isMarked = ({ adapter }: Placed) => adapter.layer.marked === true;
  const byPath = new Map(placed.filter(isMarked).map((one) => [one.adapter.layer.path, one]));
  const byWeight = new Map(
    placed.filter((one) => !isMarked(one)).map((one) => [weightOf(one.adapter.layer).path, one]),
  );
  return rewrite(source, (node, keep) => {
    const use = callOf(node, byPath, skipFused) ?? useOf(node, byWeight);
    if (!use) return keep();
    const { adapter, forward, operands } = use.placed;
    return at(node.place, () => forward(adapter, use.call, operands));
  });
}

interface Placed {
  readonly adapter: LayerAdapter;
  readonly forward: NonNullable<Variant["forward"]>;
  readonly operands: Operands;
}

interface Use {
  readonly placed: Placed;
  readonly call: Call;
}

/** The layer whose call gives this. */
function callOf(node: Node, byPath: ReadonlyMap<string, Placed>, skipFused: boolean): Use | undefined {
  const call = layerCallOf(node);
  const placed = call && byPath.get(call.layer);
  if (!placed || (call.fused && skipFused)) return undefined;
  const { output: base, input: x } = call;
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
