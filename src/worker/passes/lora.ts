import { add, at, cast, dropout, linear, matmul, parameter, reshape } from "../graph/build";
import { type Graph, rewrite } from "../graph/graph";
import { is, type Node } from "../graph/node";
import { type LoraConfig, scalingOf } from "../lora/config";
import { loraA, loraB } from "../lora/names";

/** What the pass needs to know of a targeted layer. */
export interface LoraTarget {
  readonly path: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
}

/**
 * Puts an adapter on every use of each target's weight:
 * `linear(x, W, b)` becomes `linear(x, W, b) + scaling * B(A(dropout(x)))` (LoRA, arXiv 2106.09685, equation 3).
 * The adapter is float32 whatever the base is. A layer that is used twice shares its adapter, as it shares its weight.
 */
export function injectLora(graph: Graph, targets: readonly LoraTarget[], config: LoraConfig): Graph {
  const byWeight = new Map(targets.map((target) => [`${target.path}.weight`, target]));
  const adapters = new Map<string, { a: Node; b: Node }>();
  const scaling = scalingOf(config);
  return rewrite(graph, (node, keep) => {
    const target = is(node, "linear") ? targetOf(node, byWeight) : undefined;
    if (!target) return keep();
    let adapter = adapters.get(target.path);
    if (!adapter) {
      adapter = {
        a: parameter(loraA(target.path), [config.r, target.inFeatures], "float32"),
        b: parameter(loraB(target.path), [target.outFeatures, config.r], "float32"),
      };
      adapters.set(target.path, adapter);
    }
    const { a, b } = adapter;
    return at(node.place, () => {
      const base = keep();
      const x = cast(node.inputs[0]!, "float32");
      const low = linear(dropout(x, config.lora_dropout), a);
      // The base product is the addend, so that an engine computes both paths' sum in one kernel.
      if (base.dtype === "float32" && base.shape.length >= 2) {
        return matmul(low, b, { transposeB: true, alpha: scaling, c: base });
      }
      const path = matmul(low.shape.length === 1 ? reshape(low, [1, config.r]) : low, b, {
        transposeB: true,
        alpha: scaling,
      });
      return add(base, cast(reshape(path, base.shape), base.dtype));
    });
  });
}

function targetOf(node: Node, byWeight: ReadonlyMap<string, LoraTarget>): LoraTarget | undefined {
  let weight = node.inputs[1]!;
  if (is(weight, "cast")) weight = weight.inputs[0]!;
  return is(weight, "parameter") ? byWeight.get(weight.attrs.path) : undefined;
}
