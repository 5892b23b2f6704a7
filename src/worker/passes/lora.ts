import { UserError } from "../formats/errors";
import { add, at, cast, dropout, linear, matmul, parameter, reshape, transpose } from "../graph/build";
import { type Graph, rewrite } from "../graph/graph";
import { layerCallOf, weightIn } from "../graph/layers";
import { is, type Node } from "../graph/node";
import { sameShape, shapeText } from "../graph/shapes";
import { type LoraConfig, scalingOf } from "../lora/config/config";
import { loraA, loraB, weightOf } from "../lora/targets/layer";
import type { LayerWeight } from "../readers/model";

/** What the pass needs to know of a targeted layer. */
export interface LoraTarget {
  readonly path: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** Where it differs from `path.weight`, [out, in]. */
  readonly weight?: LayerWeight;
  /** The graph marks the layer's calls; without, every product of its weight is one. */
  readonly marked?: true;
}

export interface InjectOptions {
  /**
   * As `model.eval()` under `torch.no_grad()` computes it: where PyTorch then takes a kernel of its own, which reads the
   * layer's weight, the adapter has no part. Training does not take it.
   */
  readonly skipFused?: boolean;
}

/**
 * Puts an adapter on every call of each target:
 * `linear(x, W, b)` becomes `linear(x, W, b) + scaling * B(A(dropout(x)))` (LoRA, arXiv 2106.09685, equation 3), and so
 * does what a layer with a forward of its own gives for x. As in PEFT, which wraps the layer, code that reads W without
 * calling the layer sees no adapter.
 * A product `alpha x W` with a weight stored [in, out], as HF's Conv1D and Keras' Dense keep it, is adapted likewise.
 * The adapter is float32 whatever the base is. A layer that is called twice has one adapter.
 */
export function injectLora(
  graph: Graph,
  targets: readonly LoraTarget[],
  config: LoraConfig,
  { skipFused = false }: InjectOptions = {},
): Graph {
  const byPath = new Map(targets.filter(({ marked }) => marked).map((target) => [target.path, target]));
  const byWeight = new Map(targets.filter(({ marked }) => !marked).map((target) => [weightOf(target).path, target]));
  const adapters = new Map<string, { a: Node; b: Node }>();
  const scaling = scalingOf(config);
  return rewrite(graph, (node, keep) => {
    const use = callOf(node, byPath, skipFused) ?? useOf(node, byWeight);
    if (!use) return keep();
    const { target, scale, base } = use;
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
  readonly base: Node;
  readonly x: Node;
  /** The factor on the base product. */
  readonly scale: number;
}

/** The target whose call gives this. */
function callOf(node: Node, byPath: ReadonlyMap<string, LoraTarget>, skipFused: boolean): WeightUse | undefined {
  const call = layerCallOf(node);
  const target = call && byPath.get(call.layer);
  if (!target || (call.fused && skipFused)) return undefined;
  const { output: base, input: x } = call;
  const expected = [...x.shape.slice(0, -1), target.outFeatures];
  if (x.shape.at(-1) !== target.inFeatures || !sameShape(base.shape, expected)) {
    throw new UserError(
      `${target.path} is called with ${shapeText(x.shape)} and gives ${shapeText(base.shape)}; an adapter takes ${target.inFeatures} features to ${target.outFeatures}, so PEFT cannot add it there: leave the layer out of the target modules`,
    );
  }
  return { target, base, x, scale: 1 };
}

/** The target whose layer this product computes: x W^T with W [out, in], x W with W [in, out]. */
function useOf(node: Node, byWeight: ReadonlyMap<string, LoraTarget>): WeightUse | undefined {
  if (byWeight.size === 0 || (!is(node, "linear") && !is(node, "matmul"))) return undefined;
  const weight = weightIn(node);
  const target = weight && byWeight.get(weight.path);
  if (!target || weightOf(target).fanInFanOut !== weight.fanInFanOut) return undefined;
  const x = node.inputs[0]!;
  if (is(node, "linear")) return { target, base: node, x, scale: 1 };
  return { target, base: node, x: node.attrs.transposeA ? swapped(x) : x, scale: node.attrs.alpha };
}

function swapped(x: Node): Node {
  const rank = x.shape.length;
  return transpose(
    x,
    x.shape.map((_, i) => (i === rank - 1 ? rank - 2 : i === rank - 2 ? rank - 1 : i)),
  );
}
