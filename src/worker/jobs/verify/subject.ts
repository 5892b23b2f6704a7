import type { Engine, Executable, ParameterValue } from "../../engines/engine";
import { toFloat32 } from "../../formats/convert";
import { type DType, isFloating } from "../../formats/dtype";
import { float32, sizeOf, type Tensor } from "../../formats/tensor";
import { add, cast, full, input, mul, parameter, reduceAll } from "../../graph/build";
import { Graph } from "../../graph/graph";
import type { Node } from "../../graph/node";
import { trainedNames } from "../../lora/variants/costs";
import { operandsOf } from "../../lora/variants/operands";
import type { LayerAdapter } from "../../lora/variants/variant";
import { Random } from "../../numbers/random";
import { removeDropout } from "../../passes/dropout";
import { injectLora } from "../../passes/lora";
import { mergeLora } from "../../passes/merge";
import { simplify } from "../../passes/simplify";
import type { Traced } from "../../readers/model";
import { PARAMETERS, PackedLayout, unpackParameters } from "../../training/packed";
import type { PlannedAdapter } from "../adapter";
import { drawNoise } from "../noise";
import { type OpenedModel, randomInput, randomInputs, readAll, valuesFor } from "../opened";
import { longestSum, productCount } from "./products";

/** Outputs by name. */
export type Outputs = ReadonlyMap<string, Tensor>;

/**
 * What is verified: the base model, the adapted and the merged one as compiled graphs over the same inputs, with the
 * adapter's values fed as one vector, so that each can be run with any values.
 */
export class VerifySubject {
  /** Of all tensors of the adapter. */
  readonly layout: PackedLayout;
  /** Names of those that are trained. */
  readonly trained: readonly string[];
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
    /** The base weights before the adapter's initialization changed them; those of `opened` are changed. */
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
      adapter.layers.flatMap((one) => one.variant.tensors(one).map(({ name, shape }) => ({ path: name, shape }))),
    );
    this.trained = trainedNames(adapter.layers);
  }

  /** Longest sum in any product of the base graph. */
  get sumLength(): number {
    return longestSum(this.base);
  }

  /** The number of products in the base graph, an upper bound for the longest chain of them. */
  get depth(): number {
    return productCount(this.base);
  }

  /** The adapted graph, adapter values fed. */
  adapted(): Graph {
    return unpackParameters(removeDropout(injectLora(this.base, this.adapter.layers)), this.layout);
  }

  /** The base graph with merged weights, adapter values fed; `rounded` to the dtypes that the weights are stored in. */
  merged(rounded: boolean): Graph {
    return unpackParameters(mergeLora(this.base, this.adapter.layers, { rounded }), this.layout);
  }

  /** The half-precision dtype that a target's weight is stored in, which merging rounds to. */
  get storedHalf(): DType | undefined {
    const paths = this.adapter.layers.flatMap(({ layer, variant }) => variant.changes(layer));
    const stored = new Set(paths.map((path) => this.opened.values.get(path)?.dtype));
    return (["bfloat16", "float16"] as const).find((dtype) => stored.has(dtype));
  }

  /** For each layer `low.N` and `delta.N`: the two ways to compute the adapter's contribution to a random input. */
  contributions(layers: readonly LayerAdapter[]): { graph: Graph; feeds: Map<string, Tensor> } {
    const random = new Random(this.opened.seed + 11);
    const feeds = new Map<string, Tensor>();
    const inputs: Node<"input">[] = [];
    const outputs: [string, Node][] = [];
    layers.forEach((one, i) => {
      const { layer, variant } = one;
      const spec = { ...variant.check.input(layer), name: `x.${i}` };
      const x = input(spec.name, spec.shape, spec.dtype) as Node<"input">;
      inputs.push(x);
      feeds.set(spec.name, randomInput(spec, random));
      const operands = operandsOf(one, (path) => this.parameter(path));
      const delta = variant.check.byDelta(one, x, operands);
      // With a base of zero the call returns what the adapter adds.
      const base = full(0, delta.shape, "float32");
      const low = variant.forward ? variant.forward(one, { x, base, scale: 1 }, operands) : delta;
      outputs.push([`low.${i}`, low], [`delta.${i}`, delta]);
    });
    const graph = removeDropout(new Graph("contributions", inputs, new Map(outputs)));
    return { graph: unpackParameters(graph, this.layout), feeds };
  }

  /** The base's parameter as it is stored. */
  private parameter(path: string): Node {
    const { shape, dtype } = this.opened.values.get(path)!;
    return parameter(path, shape, dtype);
  }

  /** The adapted graph with one scalar `loss`: the outputs' product with fixed random numbers, averaged. */
  withScalarLoss(): { graph: Graph; feeds: Map<string, Tensor> } {
    const random = new Random(this.opened.seed + 7);
    const adapted = removeDropout(injectLora(this.base, this.adapter.layers));
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
