import type { MemoryEstimate, MemoryKinds } from "../../../protocol/reports";
import { peakActivationBytes } from "../../engines/liveness";
import { DTYPE_BYTES, isFloating } from "../../formats/dtype";
import { UserError } from "../../formats/errors";
import { byteLengthOf, sizeOf } from "../../formats/tensor";
import { add, cast, mul, reduceAll } from "../../graph/build";
import { Graph } from "../../graph/graph";
import type { Node } from "../../graph/node";
import { ShapeError } from "../../graph/shapes";
import { trainedNames } from "../../lora/variants/costs";
import { maskDropout } from "../../passes/dropout";
import { injectLora } from "../../passes/lora";
import { simplify } from "../../passes/simplify";
import type { Model, Traced } from "../../readers/model";
import { defaultOptimizer } from "../../training/optimizers/registry";
import { trainingStep } from "../../training/step";
import type { PlannedAdapter } from "../adapter";

/**
 * Memory of one training step with Adam at the example inputs' batch, for LoRA and for full fine-tuning: the weights,
 * gradients and moments by count, the activations by liveness over the very graph that training runs.
 * @param given the user chose the inputs: if they do not fit, that is an error and not a reason to give no estimate.
 */
export function memoryEstimate(
  model: Model,
  adapter: PlannedAdapter,
  { given }: { readonly given: boolean },
): { memory: MemoryEstimate } | { reason: string } {
  let traced: Traced;
  try {
    traced = model.trace({ training: true });
  } catch (error) {
    if (given) throw error;
    return { reason: reasonOf(error) };
  }
  try {
    const base = traced.graph;
    const weights = model.stateDict.reduce(
      (sum, { shape, dtype, tiedTo }) =>
        sum + (tiedTo === undefined ? sizeOf(shape as number[]) * DTYPE_BYTES[dtype] : 0),
      0,
    );
    const trainable = new Set(model.stateDict.filter((entry) => !entry.buffer).map((entry) => entry.path));
    const paths = base.parameters.map((node) => node.attrs.path).filter((path) => trainable.has(path));
    const adapted = injectLora(base, adapter.layers);
    const trained = new Set(trainedNames(adapter.layers));
    const adapterPaths = adapted.parameters.map((node) => node.attrs.path).filter((path) => trained.has(path));
    return {
      memory: {
        batch: traced.inputs[0]?.shape[0] ?? 1,
        lora: kinds(adapted, adapterPaths, weights, true),
        full: kinds(base, paths, weights, false),
      },
    };
  } catch (error) {
    return { reason: reasonOf(error) };
  }
}

/** Why there is no estimate; a defect is thrown again. */
function reasonOf(error: unknown): string {
  if (error instanceof UserError || error instanceof ShapeError) return error.message;
  throw error;
}

/** @param beside the trained parameters are separate from the weights. */
function kinds(graph: Graph, trainable: readonly string[], weights: number, beside: boolean): MemoryKinds {
  const optimizer = defaultOptimizer();
  const step = simplify(trainingStep(maskDropout(withLoss(graph)), trainable, optimizer).graph);
  const scalars = graph.parameters
    .filter((node) => trainable.includes(node.attrs.path))
    .reduce((sum, node) => sum + byteLengthOf(node), 0);
  const own = beside ? scalars : 0;
  // Gradients are intermediates of the graph; they are listed separately because people budget for them separately.
  const activations = Math.max(0, peakActivationBytes(step) - scalars);
  const parts = {
    weights,
    trainable: own,
    gradients: scalars,
    optimizer: optimizer.state.length * scalars,
    activations,
  };
  return { ...parts, total: Object.values(parts).reduce((a, b) => a + b, 0) };
}

/**
 * Any scalar function of all outputs works: what must be kept for the gradient does not depend on the form of the loss.
 */
function withLoss(graph: Graph): Graph {
  let loss: Node | undefined;
  for (const node of graph.outputs.values()) {
    if (!isFloating(node.dtype)) continue;
    const value = cast(node, "float32");
    const part = reduceAll("mean", mul(value, value));
    loss = loss ? add(loss, part) : part;
  }
  if (!loss) throw new UserError("the model returns no floating-point tensor, so it has no loss to train on");
  return new Graph(graph.name, graph.inputs, new Map([["loss", loss]]));
}
