import { cast, matmul, parameter, reshape } from "../graph/build";
import { type Graph, rewrite } from "../graph/graph";
import { is, type Node } from "../graph/node";
import { type LoraConfig, scalingOf } from "../lora/config/config";
import { loraA, loraB, weightOf } from "../lora/targets/layer";
import type { LoraTarget } from "./lora";

/** delta W = scaling * B A, [out, in], float32: what the adapter adds to the layer's weight. */
export function deltaWeight(target: LoraTarget, config: LoraConfig): Node {
  const a = parameter(loraA(target.path), [config.r, target.inFeatures], "float32");
  const b = parameter(loraB(target.path), [target.outFeatures, config.r], "float32");
  return matmul(b, a, { alpha: scalingOf(config) });
}

/** W + delta W, transposed where W is stored [in, out], in the weight's own dtype; half-precision weights are merged in float32 and rounded once. */
export function mergedWeight(weight: Node, target: LoraTarget, config: LoraConfig): Node {
  return cast(mergedInFloat32(weight, target, config), weight.dtype);
}

function mergedInFloat32(weight: Node, target: LoraTarget, config: LoraConfig): Node {
  const a = parameter(loraA(target.path), [config.r, target.inFeatures], "float32");
  const b = parameter(loraB(target.path), [target.outFeatures, config.r], "float32");
  const { inFeatures, outFeatures } = target;
  const matrix = weightOf(target).fanInFanOut ? [inFeatures, outFeatures] : [outFeatures, inFeatures];
  const options = { alpha: scalingOf(config), c: reshape(cast(weight, "float32"), matrix) };
  const sum = weightOf(target).fanInFanOut
    ? matmul(a, b, { ...options, transposeA: true, transposeB: true })
    : matmul(b, a, options);
  return reshape(sum, weight.shape);
}

/**
 * The base graph with each target's weight replaced by the merged one, computed in the graph. Every use of the
 * parameter sees it, as every use sees a weight that was merged in place. `rounded: false` leaves out the rounding of
 * half-precision weights, for a graph that casts them to float32 before it uses them.
 */
export function mergeLora(
  base: Graph,
  targets: readonly LoraTarget[],
  config: LoraConfig,
  { rounded = true }: { readonly rounded?: boolean } = {},
): Graph {
  return rewrite(base, (node, keep) => {
    if (!is(node, "parameter")) return keep();
    const { path } = node.attrs;
    // Two layers that share a weight both add to it.
    const own = targets.filter((target) => weightOf(target).path === path);
    const add = rounded ? mergedWeight : mergedInFloat32;
    return own.reduce((weight, target) => add(weight, target, config), keep());
  });
}
