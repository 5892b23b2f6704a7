import { UserError } from "../formats/errors";
import { sizeOf, type Tensor } from "../formats/tensor";
import { concat, input, reshape } from "../graph/build";
import { Graph } from "../graph/graph";
import type { Node } from "../graph/node";
import { differentiate } from "../passes/autodiff";
import { RESULTS } from "./losses/loss";
import type { Optimizer } from "./optimizers/optimizer";
import { PARAMETERS, PackedLayout, unpackParameters } from "./packed";

export interface TrainingStep {
  /** One step: state in, state out under the same names; also the loss's results. */
  readonly graph: Graph;
  readonly layout: PackedLayout;
  /** Trainable parameters that the loss does not depend on; they cannot be trained and are left out. */
  readonly unused: readonly string[];
}

/** Makes a whole training step of a graph with a `loss`: forward, gradients, and the optimizer's update. */
export function trainingStep(graph: Graph, trainable: readonly string[], optimizer: Optimizer): TrainingStep {
  const byPath = new Map(graph.parameters.map((node) => [node.attrs.path, node]));
  const nodes = trainable.flatMap((path) => byPath.get(path) ?? []);
  const half = nodes.find((node) => node.dtype !== "float32");
  if (half) {
    throw new UserError(
      `${half.attrs.path} is ${half.dtype}; only float32 parameters can be trained: use LoRA, whose adapters are float32`,
    );
  }
  const gradients = differentiate(graph, graph.output("loss"), nodes);
  const used = nodes.filter((node) => gradients.has(node));
  if (used.length === 0) throw new UserError("the loss depends on no trainable parameter: there is nothing to train");

  const layout = new PackedLayout(used.map((node) => ({ path: node.attrs.path, shape: node.shape })));
  const state = new Map(optimizer.state.map(({ name }) => [name, vector(name, layout.length)]));
  const scalars = new Map(optimizer.scalars.map((name) => [name, input(name, [], "float32") as Node<"input">]));
  const packed = (part: (node: Node<"parameter">) => Node) =>
    concat(
      used.map((node) => reshape(part(node), [sizeOf(node.shape)])),
      0,
    );
  const updated = optimizer.update({
    // The parameters are read as one vector here; `unpackParameters` makes it the same input.
    parameters: packed((node) => node),
    gradient: packed((node) => gradients.get(node)!),
    state,
    scalars,
    layout,
  });
  const outputs: [string, Node][] = RESULTS.filter((name) => graph.outputs.has(name)).map((name) => [
    name,
    graph.output(name),
  ]);
  outputs.push([PARAMETERS, updated.parameters], ...updated.state);
  const inputs = [...graph.inputs, ...state.values(), ...scalars.values()];
  const step = new Graph(graph.name, inputs, new Map(outputs));
  return {
    graph: unpackParameters(step, layout),
    layout,
    unused: trainable.filter((p) => !layout.parameters.some((q) => q.path === p)),
  };
}

/** The state before the first step: the parameters' initial values and the optimizer's state. */
export function initialState(
  layout: PackedLayout,
  initial: ReadonlyMap<string, Tensor>,
  optimizer: Optimizer,
): Map<string, Tensor> {
  return new Map([
    [PARAMETERS, layout.pack(initial)],
    ...optimizer.state.map(({ name, initial: first }) => [name, first(layout)] as const),
  ]);
}

function vector(name: string, length: number): Node<"input"> {
  return input(name, [length], "float32") as Node<"input">;
}
