import { float32, sizeOf, type Tensor } from "../formats/tensor";
import type { Graph } from "../graph/graph";
import type { Random } from "../numbers/random";

/** Inputs that the runner of a graph fills: dropout's masks, and random numbers that forward draws. */
export function drawNoise(graph: Graph, random: Random): [string, Tensor][] {
  return graph.inputs.flatMap((node): [string, Tensor][] => {
    const { name, mask, noise } = node.attrs;
    const length = sizeOf(node.shape);
    const filled = (draw: () => number): [string, Tensor][] => [
      [name, float32(node.shape, Float32Array.from({ length }, draw))],
    ];
    if (mask) {
      const keep = 1 / (1 - mask.p);
      return filled(() => (random.next() < mask.p ? 0 : keep));
    }
    if (noise === "normal") return filled(() => random.normal());
    return noise === "uniform" ? filled(() => random.next()) : [];
  });
}
