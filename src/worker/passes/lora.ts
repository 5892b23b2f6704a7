import { add, at, cast, dropout, linear, matmul, parameter, reshape, transpose } from "../graph/build";
import { type Graph, rewrite } from "../graph/graph";
import { is, type Node } from "../graph/node";
import { type LoraConfig, scalingOf } from "../lora/config";
import { loraA, loraB, weightOf } from "../lora/names";
import type { LayerWeight } from "../readers/model";

/** What the pass needs to know of a targeted layer. */
export interface LoraTarget {
  readonly path: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** Where it differs from `path.weight`, [out, in]. */
  readonly weight?: LayerWeight;
}

/**
 * Puts an adapter on every use of each target's weight:
 * `linear(x, W, b)` becomes `linear(x, W, b) + scaling * B(A(dropout(x)))` (LoRA, arXiv 2106.09685, equation 3).
 * A product `alpha x W` with a weight stored [in, out], as HF's Conv1D and Keras' Dense keep it, is adapted likewise.
 * The adapter is float32 whatever the base is. A layer that is used twice shares its adapter, as it shares its weight.
 */
export function injectLora(graph: Graph, targets: readonly LoraTarget[], config: LoraConfig): Graph {
  const byWeight = new Map(targets.map((target) => [weightOf(target).path, target]));
  const adapters = new Map<string, { a: Node; b: Node }>();
  const scaling = scalingOf(config);
  return rewrite(graph, (node, keep) => {
    const use = useOf(node, byWeight);
    if (!use) return keep();
    const { target, scale } = use;
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
      const x = cast(use.x, "float32");
      const low = linear(dropout(x, config.lora_dropout), a);
      // The base product is the addend, so that an engine computes both paths' sum in one kernel.
      if (base.dtype === "float32" && base.shape.length >= 2) {
        return matmul(low, b, { transposeB: true, alpha: scale * scaling, c: base });
      }
      const path = matmul(low.shape.length === 1 ? reshape(low, [1, config.r]) : low, b, {
        transposeB: true,
        alpha: scale * scaling,
      });
      return add(base, cast(reshape(path, base.shape), base.dtype));
    });
  });
}

interface WeightUse {
  readonly target: LoraTarget;
  readonly x: Node;
  /** The factor on the base product. */
  readonly scale: number;
}

/** The target whose layer this product computes: x W^T with W [out, in], x W with W [in, out]. */
function useOf(node: Node, byWeight: ReadonlyMap<string, LoraTarget>): WeightUse | undefined {
  if (!is(node, "linear") && !is(node, "matmul")) return undefined;
  // How often the weight as stored is transposed on its way into the product.
  let turns = is(node, "linear") || node.attrs.transposeB ? 1 : 0;
  let weight = node.inputs[1]!;
  // Keras's attention keeps a projection as [in, heads, dim] and uses it as a matrix.
  const isMatrix = weight.shape.length === 2;
  while (is(weight, "cast") || is(weight, "transpose") || is(weight, "reshape")) {
    if (is(weight, "transpose")) turns++;
    weight = weight.inputs[0]!;
  }
  const target = is(weight, "parameter") && isMatrix ? byWeight.get(weight.attrs.path) : undefined;
  if (!target || weightOf(target).fanInFanOut !== (turns % 2 === 0)) return undefined;
  const x = node.inputs[0]!;
  if (is(node, "linear")) return { target, x, scale: 1 };
  return { target, x: node.attrs.transposeA ? swapped(x) : x, scale: node.attrs.alpha };
}

function swapped(x: Node): Node {
  const rank = x.shape.length;
  return transpose(
    x,
    x.shape.map((_, i) => (i === rank - 1 ? rank - 2 : i === rank - 2 ? rank - 1 : i)),
  );
}
