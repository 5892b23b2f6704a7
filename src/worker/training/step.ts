import { UserError } from "../formats/errors";
import { allocate, float32, sizeOf, type Tensor } from "../formats/tensor";
import { add, concat, div, input, mul, narrow, reshape, scalar, sub, unary } from "../graph/build";
import { Graph, rewrite } from "../graph/graph";
import { is, type Node } from "../graph/node";
import { differentiate } from "./autodiff";

/** Adam's hyperparameters, with PyTorch's defaults. */
export interface AdamOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly eps?: number;
  /** Adam adds it to the gradient (L2); AdamW shrinks the weights instead (decoupled, arXiv 1711.05101). */
  readonly weightDecay?: number;
  readonly decoupled?: boolean;
}

/** Names of the state a training step takes and returns under the same name. */
export const PARAMETERS = "state.parameters";
export const MOMENT_1 = "state.moment1";
export const MOMENT_2 = "state.moment2";
const STEP_SIZE = "optimizer.stepSize";
const CORRECTION = "optimizer.correction";
const DECAY = "optimizer.decay";

export interface PackedParameter {
  readonly path: string;
  readonly shape: readonly number[];
  /** Index of its first element. */
  readonly offset: number;
}

/**
 * Where each trainable parameter lies in the one flat float32 vector that a step updates. One vector for all keeps the
 * optimizer at a dozen ops whatever the number of adapters, and the state at three tensors.
 */
export class PackedLayout {
  readonly parameters: readonly PackedParameter[];
  readonly length: number;

  constructor(parameters: readonly { readonly path: string; readonly shape: readonly number[] }[]) {
    let offset = 0;
    this.parameters = parameters.map(({ path, shape }) => {
      const packed = { path, shape, offset };
      offset += sizeOf(shape);
      return packed;
    });
    this.length = offset;
  }

  pack(tensors: ReadonlyMap<string, Tensor>): Tensor {
    const flat = allocate("float32", [this.length]);
    for (const { path, shape, offset } of this.parameters) {
      const tensor = tensors.get(path);
      if (tensor?.dtype !== "float32" || tensor.data.length !== sizeOf(shape)) {
        throw new RangeError(`no float32 value of ${sizeOf(shape)} elements for ${path}`);
      }
      (flat.data as Float32Array).set(tensor.data as Float32Array, offset);
    }
    return flat;
  }

  unpack(flat: Tensor): Map<string, Tensor> {
    const data = flat.data as Float32Array;
    return new Map(
      this.parameters.map(({ path, shape, offset }) => [
        path,
        float32(shape, data.slice(offset, offset + sizeOf(shape))),
      ]),
    );
  }
}

/**
 * Reads the trainable parameters out of the packed vector, a new input, instead of binding them at compile time.
 * The graph's other parameters stay as they are.
 */
export function unpackParameters(graph: Graph, layout: PackedLayout): Graph {
  const flat = input(PARAMETERS, [layout.length], "float32") as Node<"input">;
  const byPath = new Map(layout.parameters.map((p) => [p.path, p]));
  const unpacked = rewrite(graph, (node, keep) => {
    const packed = is(node, "parameter") ? byPath.get(node.attrs.path) : undefined;
    if (!packed) return keep();
    return reshape(narrow(flat, 0, packed.offset, packed.offset + sizeOf(packed.shape)), packed.shape);
  });
  return new Graph(unpacked.name, [...unpacked.inputs, flat], unpacked.outputs);
}

export interface TrainingStep {
  /** One step: state in, state out; also `loss`, and `correct` if the graph has it. */
  readonly graph: Graph;
  readonly layout: PackedLayout;
  /** Trainable parameters that the loss does not depend on: they cannot learn, and are left out. */
  readonly unused: readonly string[];
}

/**
 * Makes a whole training step of a graph with a `loss`: forward, gradients, and Adam or AdamW
 * (arXiv 1412.6980, in PyTorch's formulation) over `trainable` parameter paths.
 */
export function trainingStep(graph: Graph, trainable: readonly string[], options: AdamOptions = {}): TrainingStep {
  const { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0, decoupled = true } = options;
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
  const vector = (name: string) => input(name, [layout.length], "float32") as Node<"input">;
  const number = (name: string) => input(name, [], "float32") as Node<"input">;
  const [m, v] = [vector(MOMENT_1), vector(MOMENT_2)];
  const [stepSize, correction] = [number(STEP_SIZE), number(CORRECTION)];
  const extra: Node<"input">[] = [m, v, stepSize, correction];

  // The parameters are read as one vector here; `unpackParameters` makes it the same input.
  const current = concat(
    used.map((node) => reshape(node, [sizeOf(node.shape)])),
    0,
  );
  let gradient = concat(
    used.map((node) => reshape(gradients.get(node)!, [sizeOf(node.shape)])),
    0,
  );
  let before = current;
  if (weightDecay !== 0 && decoupled) {
    const decay = number(DECAY);
    extra.push(decay);
    before = mul(current, decay);
  } else if (weightDecay !== 0) {
    gradient = add(gradient, mul(current, scalar(weightDecay)));
  }
  const m2 = add(mul(m, scalar(beta1)), mul(gradient, scalar(1 - beta1)));
  const v2 = add(mul(v, scalar(beta2)), mul(mul(gradient, gradient), scalar(1 - beta2)));
  const denominator = add(mul(unary("sqrt", v2), correction), scalar(eps));
  const after = sub(before, mul(stepSize, div(m2, denominator)));

  const outputs: [string, Node][] = [["loss", graph.output("loss")]];
  if (graph.outputs.has("correct")) outputs.push(["correct", graph.output("correct")]);
  outputs.push([PARAMETERS, after], [MOMENT_1, m2], [MOMENT_2, v2]);
  const step = new Graph(graph.name, [...graph.inputs, ...extra], new Map(outputs));
  return {
    graph: unpackParameters(step, layout),
    layout,
    unused: trainable.filter((p) => !layout.parameters.some((q) => q.path === p)),
  };
}

/** The scalar feeds of step `t`, counted from 1. */
export function adamFeeds(t: number, learningRate: number, options: AdamOptions = {}): Map<string, Tensor> {
  const { beta1 = 0.9, beta2 = 0.999, weightDecay = 0, decoupled = true } = options;
  const feeds = new Map([
    [STEP_SIZE, float32([], [learningRate / (1 - beta1 ** t)])],
    [CORRECTION, float32([], [1 / Math.sqrt(1 - beta2 ** t)])],
  ]);
  if (weightDecay !== 0 && decoupled) feeds.set(DECAY, float32([], [1 - learningRate * weightDecay]));
  return feeds;
}
