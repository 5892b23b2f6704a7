import type { Engine, Executable, ParameterValue } from "../../engines/engine";
import { toFloat32 } from "../../formats/convert";
import { type DType, isFloating } from "../../formats/dtype";
import { float32, sizeOf, type Tensor } from "../../formats/tensor";
import { add, cast, input, linear, matmul, mul, parameter, reduceAll } from "../../graph/build";
import { Graph } from "../../graph/graph";
import { is, type Node } from "../../graph/node";
import type { LoraConfig } from "../../lora/config";
import { loraA, loraB, weightOf } from "../../lora/names";
import { Random } from "../../lora/random";
import { removeDropout } from "../../passes/dropout";
import { injectLora } from "../../passes/lora";
import { deltaWeight, mergeLora } from "../../passes/merge";
import { simplify } from "../../passes/simplify";
import type { Traced } from "../../readers/model";
import { PARAMETERS, PackedLayout, unpackParameters } from "../../training/packed";
import type { PlannedAdapter } from "../adapter";
import { drawNoise } from "../noise";
import { type OpenedModel, randomInputs, readAll, valuesFor } from "../opened";
import { longestSum, productCount } from "./products";

/** Outputs by name. */
export type Outputs = ReadonlyMap<string, Tensor>;

/**
 * What is verified: the base model, the adapted and the merged one as compiled graphs over the same inputs, with the
 * adapter's values fed as one vector, so that each can be run with any values.
 */
export class VerifySubject {
  readonly layout: PackedLayout;
  readonly feeds: Map<string, Tensor>;
  readonly base: Graph;
  private readonly executables: Executable[] = [];

  constructor(
    readonly engine: Engine,
    readonly opened: OpenedModel,
    readonly traced: Traced,
    readonly adapter: PlannedAdapter,
    /** Values of inputs, by name; the others are drawn. */
    inputs: ReadonlyMap<string, Tensor>,
    private readonly signal: AbortSignal,
    /** The base weights before the adapter's initialization took anything from them; those of `opened` are without that. */
    readonly given: ReadonlyMap<string, ParameterValue> = opened.values,
  ) {
    this.feeds = new Map([
      ...randomInputs(traced.inputs, opened.seed),
      ...drawNoise(traced.graph, new Random(opened.seed + 3)),
      ...inputs,
    ]);
    const evaluated = removeDropout(traced.graph);
    this.base = evaluated.withOutputs([...evaluated.outputs].filter(([, node]) => isFloating(node.dtype)));
    this.layout = new PackedLayout(
      adapter.targets.flatMap(({ path, inFeatures, outFeatures }) => [
        { path: loraA(path), shape: [adapter.config.r, inFeatures] },
        { path: loraB(path), shape: [outFeatures, adapter.config.r] },
      ]),
    );
  }

  /** Longest sum in any product of the base graph. */
  get sumLength(): number {
    return longestSum(this.base);
  }

  /** How many products the base graph has: more than follow one another. */
  get depth(): number {
    return productCount(this.base);
  }

  /** The adapted graph for a configuration that targets the same layers, adapter values fed. */
  adapted(config: LoraConfig = this.adapter.config): Graph {
    return unpackParameters(removeDropout(injectLora(this.base, this.adapter.targets, config)), this.layout);
  }

  /** The base graph with merged weights, adapter values fed; `rounded` to the dtypes that the weights are stored in. */
  merged(rounded: boolean): Graph {
    const { targets, config } = this.adapter;
    return unpackParameters(mergeLora(this.base, targets, config, { rounded }), this.layout);
  }

  /** The half-precision dtype that a target's weight is stored in, which merging rounds to. */
  get storedHalf(): DType | undefined {
    const stored = new Set(this.adapter.targets.map((target) => this.opened.values.get(weightOf(target).path)?.dtype));
    return (["bfloat16", "float16"] as const).find((dtype) => stored.has(dtype));
  }

  /** For each target `low.N` and `delta.N`: the two ways to compute the adapter's contribution to a random input. */
  lowRankPaths(config: LoraConfig): { graph: Graph; feeds: Map<string, Tensor> } {
    const random = new Random(this.opened.seed + 11);
    const feeds = new Map<string, Tensor>();
    const inputs: Node<"input">[] = [];
    const outputs: [string, Node][] = [];
    this.adapter.targets.forEach(({ path, inFeatures, outFeatures }, i) => {
      const target = { path, inFeatures, outFeatures };
      const shape = [4, inFeatures];
      const x = input(`x.${i}`, shape, "float32") as Node<"input">;
      inputs.push(x);
      feeds.set(
        `x.${i}`,
        float32(
          shape,
          Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
        ),
      );
      // The layer as injection leaves it, less the base product: what it adds.
      const base = linear(x, parameter(`${path}.weight`, [outFeatures, inFeatures], "float32"));
      const layer = injectLora(new Graph("layer", [x], new Map([["y", base]])), [target], config).output("y");
      const low = withoutAddend(layer);
      outputs.push([`low.${i}`, low], [`delta.${i}`, matmul(x, deltaWeight(target, config), { transposeB: true })]);
    });
    const graph = removeDropout(new Graph("low-rank paths", inputs, new Map(outputs)));
    return { graph: unpackParameters(graph, this.layout), feeds };
  }

  /** The adapted graph with one scalar `loss`: the outputs' product with fixed random numbers, averaged. */
  withScalarLoss(): { graph: Graph; feeds: Map<string, Tensor> } {
    const random = new Random(this.opened.seed + 7);
    const adapted = removeDropout(injectLora(this.base, this.adapter.targets, this.adapter.config));
    const feeds = new Map(this.feeds);
    const inputs = [...adapted.inputs];
    let loss: Node | undefined;
    for (const [name, node] of adapted.outputs) {
      const direction = input(`direction.${name}`, node.shape, "float32") as Node<"input">;
      const length = sizeOf(node.shape);
      feeds.set(
        direction.attrs.name,
        float32(
          node.shape,
          Float32Array.from({ length }, () => random.normal() / length),
        ),
      );
      inputs.push(direction);
      const part = reduceAll("sum", mul(cast(node, "float32"), direction));
      loss = loss ? add(loss, part) : part;
    }
    return { graph: new Graph(adapted.name, inputs, new Map([["loss", loss!]])), feeds };
  }

  async compile(
    graph: Graph,
    values = this.opened.values,
  ): Promise<(feeds: ReadonlyMap<string, Tensor>) => Promise<Outputs>> {
    this.signal.throwIfAborted();
    const simplified = simplify(graph);
    const executable = await this.engine.compile(simplified, {
      parameters: valuesFor(simplified, values),
      signal: this.signal,
    });
    this.executables.push(executable);
    const names = new Set(graph.inputs.map((node) => node.attrs.name));
    return async (feeds) => {
      this.signal.throwIfAborted();
      return readAll(await executable.run(new Map([...feeds].filter(([name]) => names.has(name)))));
    };
  }

  /** The model's inputs with the adapter's values. */
  withAdapter(tensors: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
    return new Map([...this.feeds, [PARAMETERS, this.layout.pack(tensors)]]);
  }

  async dispose(): Promise<void> {
    for (const executable of this.executables) await executable.dispose();
  }
}

/** The injected product without its addend, the base layer's output. */
function withoutAddend(layer: Node): Node {
  if (!is(layer, "matmul") || layer.inputs.length !== 3) throw new Error("injection no longer adds in its product");
  return matmul(layer.inputs[0]!, layer.inputs[1]!, layer.attrs);
}

/** Largest absolute difference over all outputs, and which output has it. NaN anywhere counts as infinite. */
export function largestDifference(a: Outputs, b: Outputs): { value: number; output: string } {
  let worst = { value: 0, output: "" };
  for (const [name, tensor] of a) {
    const [x, y] = [toFloat32(tensor), toFloat32(b.get(name)!)];
    for (let i = 0; i < x.length; i++) {
      const difference = Math.abs(x[i]! - y[i]!);
      if (!(difference <= worst.value))
        worst = { value: Number.isNaN(difference) ? Infinity : difference, output: name };
    }
  }
  return worst;
}

/** Largest absolute value over all outputs. */
export function magnitude(outputs: Outputs): number {
  let largest = 0;
  for (const tensor of outputs.values()) for (const v of toFloat32(tensor)) largest = Math.max(largest, Math.abs(v));
  return largest;
}
