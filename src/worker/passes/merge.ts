import { cast } from "../graph/build";
import { type Graph, rewrite } from "../graph/graph";
import { is, type Node } from "../graph/node";
import { operandsOf, parameterIn } from "../lora/variants/operands";
import type { LayerAdapter } from "../lora/variants/variant";

/** A base parameter by its state-dict path, in its own dtype. */
type Base = (path: string) => Node;

/** What the adapter adds to the layer's weight, float32. */
export function deltaWeight(adapter: LayerAdapter, base: Base): Node {
  return adapter.variant.delta(adapter, operandsOf(adapter, base));
}

/**
 * The base's parameters that merging changes, by path, each in its own dtype: half-precision weights are merged in float32
 * and rounded once.
 */
export function mergedParameters(adapter: LayerAdapter, base: Base): Map<string, Node> {
  const merged = adapter.variant.merged(adapter, operandsOf(adapter, base));
  return new Map([...merged].map(([path, node]) => [path, cast(node, base(path).dtype)]));
}

/**
 * The base graph with the parameters that each adapter changes replaced by the merged ones, computed in the graph. Every
 * use of a parameter sees it, as every use sees a weight that was merged in place. `rounded: false` leaves out the rounding
 * of half-precision weights, for a graph that casts them to float32 before it uses them.
 */
export function mergeLora(
  graph: Graph,
  adapters: readonly LayerAdapter[],
  { rounded = true }: { readonly rounded?: boolean } = {},
): Graph {
  const others = parameterIn(graph);
  return rewrite(graph, (node, keep) => {
    if (!is(node, "parameter")) return keep();
    const { path } = node.attrs;
    // Two layers that share a weight both add to it.
    const own = adapters.filter(({ variant, layer }) => variant.changes(layer).includes(path));
    return own.reduce<Node>((before, adapter) => {
      const base = (other: string) => (other === path ? before : others(other));
      const operands = operandsOf(adapter, base);
      const merged = adapter.variant.merged(adapter, operands).get(path)!;
      return rounded ? cast(merged, before.dtype) : merged;
    }, keep());
  });
}
