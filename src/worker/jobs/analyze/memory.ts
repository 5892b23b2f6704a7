import type { MemoryEstimate, MethodMemory } from "../../../protocol/reports";
import type { TrainMethod } from "../../../protocol/training";
import { peakActivationBytes } from "../../engines/liveness";
import { DTYPE_BYTES, isFloating } from "../../formats/dtype";
import { UserError } from "../../formats/errors";
import { byteLengthOf, sizeOf } from "../../formats/tensor";
import { add, cast, mul, reduceAll } from "../../graph/build";
import { Graph } from "../../graph/graph";
import { isOf } from "../../graph/kinds";
import { is, type Node } from "../../graph/node";
import { ShapeError } from "../../graph/shapes";
import { weightOf } from "../../lora/targets/layer";
import { outputHead } from "../../lora/targets/targets";
import { trainedNames } from "../../lora/variants/costs";
import { differentiate } from "../../passes/autodiff";
import { maskDropout } from "../../passes/dropout";
import { injectLora } from "../../passes/lora";
import { simplify } from "../../passes/simplify";
import type { InputSpec } from "../../readers/inputSpec";
import type { Model, Traced } from "../../readers/model";
import type { PlannedAdapter } from "../adapter";

/** Ranks that are compared besides the configured one. */
const COMPARED_RANKS = [8, 16, 32];

export interface MemoryChoice {
  /** Somebody chose the inputs: that they do not fit is their mistake, and not a reason to do without. */
  readonly given: boolean;
  /** Samples; without it as many as the example inputs have. */
  readonly batch?: number;
  /** Tokens of each sample; without it as many as the example inputs have. */
  readonly sequence?: number;
  readonly signal: AbortSignal;
}

/**
 * Memory of one training step with Adam by method. Weights, gradients and moments are counted; activations are the most
 * that is live at once in the forward and backward graphs, where views are no memory of their own and attention is fused.
 * @param adapterOf the adapter at a rank; the first is the configured one's.
 */
export async function memoryEstimate(
  model: Model,
  adapter: PlannedAdapter,
  adapterOf: (rank: number, graph: Graph) => PlannedAdapter,
  choice: MemoryChoice,
): Promise<{ memory: MemoryEstimate } | { reason: string }> {
  const { given, signal } = choice;
  let traced: Traced;
  try {
    traced = traceAt(model, choice);
  } catch (error) {
    if (given || choice.batch !== undefined || choice.sequence !== undefined) throw error;
    return { reason: reasonOf(error) };
  }
  try {
    const { graph } = traced;
    const weights = weightsByDtype(model);
    const bytes = weights.reduce((sum, part) => sum + part.bytes, 0);
    const methods: MethodMemory[] = [];
    const consider = async (method: TrainMethod, adapted: Graph, trained: Iterable<string>, rank?: number) => {
      methods.push({
        method,
        ...(rank !== undefined && { rank }),
        ...memoryOf(adapted, new Set(trained), bytes, method),
      });
      // Each takes some hundred milliseconds on a large model.
      await new Promise(setImmediate);
      signal.throwIfAborted();
    };
    const parameters = model.stateDict.filter((entry) => !entry.buffer && entry.tiedTo === undefined);
    await consider(
      "full",
      graph,
      parameters.map(({ path }) => path),
    );
    const head = outputHead(model);
    if (head) await consider("head", graph, [weightOf(head).path, `${head.path}.bias`]);
    const ranks = new Set([...COMPARED_RANKS, adapter.config.r]);
    for (const rank of [...ranks].sort((a, b) => a - b)) {
      const { layers } = rank === adapter.config.r ? adapter : adapterOf(rank, graph);
      await consider("lora", injectLora(graph, layers), trainedNames(layers), rank);
    }
    const sequence = sequenceOf(traced.inputs);
    return {
      memory: {
        batch: traced.inputs[0]?.shape[0] ?? 1,
        ...(sequence !== undefined && { sequence }),
        weights,
        methods,
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

function traceAt(model: Model, { batch, sequence }: MemoryChoice): Traced {
  const traced = model.trace({ training: true, ...(batch !== undefined && { batch }) });
  if (sequence === undefined) return traced;
  const now = sequenceOf(traced.inputs);
  if (now === undefined) {
    throw new UserError(
      `${model.className} takes no sequence of tokens (its inputs are ${traced.inputs.map(({ name }) => name).join(", ")}): leave the sequence length out`,
      { file: model.file },
    );
  }
  const inputs = traced.inputs.map((input) => ({
    ...input,
    shape: input.shape.map((size, axis) => (axis > 0 && size === now ? sequence : size)),
  }));
  return model.trace({ training: true, inputs });
}

/** Tokens of each sample: the second size of the first input of whole numbers that has two. */
function sequenceOf(inputs: readonly InputSpec[]): number | undefined {
  return inputs.find(({ shape, dtype }) => shape.length === 2 && !isFloating(dtype))?.shape[1];
}

function weightsByDtype({ stateDict }: Model): MemoryEstimate["weights"] {
  const byDtype = new Map<string, number>();
  for (const { shape, dtype, tiedTo } of stateDict) {
    if (tiedTo !== undefined) continue;
    byDtype.set(dtype, (byDtype.get(dtype) ?? 0) + sizeOf(shape as number[]) * DTYPE_BYTES[dtype]);
  }
  return [...byDtype].map(([dtype, bytes]) => ({ dtype, bytes })).sort((a, b) => b.bytes - a.bytes);
}

function memoryOf(
  graph: Graph,
  trained: ReadonlySet<string>,
  weights: number,
  method: TrainMethod,
): Omit<MethodMemory, "method" | "rank"> {
  const { graph: step, parameters, gradients: made } = forwardAndBackward(graph, trained);
  const sizes = parameters.map(byteLengthOf);
  const gradients = sizes.reduce((sum, size) => sum + size, 0);
  const largest = sizes.reduce((most, size) => Math.max(most, size), 0);
  const adapter = method === "lora" ? gradients : 0;
  const optimizer = 2 * gradients;
  // A dropout's mask is an input here; in PyTorch the forward pass makes and keeps it.
  const isFed = (node: Node) => node.op === "parameter" || (is(node, "input") && node.attrs.mask === undefined);
  const isScore = attentionScores(step);
  const isGradient = new Set(made.map(memoryOwner));
  const peak = (...free: ((node: Node) => boolean)[]) =>
    peakActivationBytes(step, {
      excludeInputsAndParameters: false,
      isView,
      isFree: (node) => isFed(node) || free.some((each) => each(node)),
    });
  const fused = peak(isScore);
  // The update goes from parameter to parameter and makes two values of its size: the denominator and the quotient.
  const update = 2 * largest;
  return {
    weights,
    adapter,
    gradients,
    optimizer,
    activations: peak(isScore, (node) => isGradient.has(node)),
    update,
    total: weights + adapter + optimizer + Math.max(fused, gradients + update),
    attentionScores: peak() - fused,
  };
}

function isView(node: Node): boolean {
  return isOf(node, "view");
}

/** The node whose memory a node's value lies in. */
function memoryOwner(node: Node): Node {
  let at = node;
  while (isView(at) || isOf(at, "identity")) at = at.inputs[0]!;
  return at;
}

/** The loss and the gradients of what is trained, which live to the end. */
function forwardAndBackward(
  graph: Graph,
  paths: ReadonlySet<string>,
): { graph: Graph; parameters: readonly Node[]; gradients: readonly Node[] } {
  const forward = simplify(maskDropout(withLoss(graph)));
  const loss = forward.output("loss");
  const parameters = forward.parameters.filter(({ attrs }) => paths.has(attrs.path));
  const gradients = differentiate(forward, loss, parameters);
  const outputs = new Map<string, Node>([["loss", loss]]);
  // The last layers' first, as the backward pass comes to them: what they need is free before the next ones are computed.
  for (const [i, gradient] of [...gradients.values()].reverse().entries()) outputs.set(`gradient.${i}`, gradient);
  const step = simplify(new Graph(graph.name, forward.inputs, outputs));
  const made = [...step.outputs].flatMap(([name, node]) => (name === "loss" ? [] : [node]));
  return { graph: step, parameters: [...gradients.keys()], gradients: made };
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

/**
 * Tells the values of a score for each query and key: those shaped as a softmax of products that is multiplied with the
 * values. Fused kernels (FlashAttention, arXiv 2205.14135) hold them a block at a time, and compute them again in the
 * backward pass.
 */
function attentionScores(graph: Graph): (node: Node) => boolean {
  const shapes = new Set<string>();
  const ofSoftmax = new Set<Node>();
  for (const node of graph.nodes) {
    const passes =
      is(node, "softmax") ||
      isOf(node, "unary") ||
      isOf(node, "binary") ||
      isOf(node, "view") ||
      isOf(node, "select") ||
      is(node, "cast");
    if (is(node, "softmax") && comesFromProduct(node)) ofSoftmax.add(node);
    else if (passes && node.inputs.some((operand) => ofSoftmax.has(operand))) ofSoftmax.add(node);
    if (is(node, "matmul") && ofSoftmax.has(node.inputs[0]!)) shapes.add(node.inputs[0]!.shape.join());
  }
  return ({ shape }) => shape.length > 2 && shapes.has(shape.join());
}

/** Within the few ops that scale and mask scores. */
const MOST_OPS_ON_SCORES = 12;

function comesFromProduct(softmax: Node): boolean {
  let reached: Iterable<Node> = new Set(softmax.inputs);
  for (let i = 0; i < MOST_OPS_ON_SCORES; i++) {
    const before = [...reached];
    if (before.some((node) => is(node, "matmul"))) return true;
    const operands = before.flatMap(({ inputs }) => inputs);
    reached = new Set(operands.filter(({ shape }) => shape.length === softmax.shape.length));
  }
  return false;
}
