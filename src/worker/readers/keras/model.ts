import type { DType } from "../../formats/dtype";
import { UserError } from "../../formats/errors";
import { allocate, type Tensor } from "../../formats/tensor";
import { input } from "../../graph/build";
import { Graph } from "../../graph/graph";
import { smallestTable } from "../../graph/indexed";
import { Node, type SourcePlace } from "../../graph/node";
import { Random } from "../../numbers/random";
import type { GivenInput, GivenInputs } from "../givenInputs";
import type { InputSpec } from "../inputSpec";
import type { Model, ModuleInfo, ParameterInfo, Problem, StoredWeights, Traced, TraceOptions } from "../model";
import type { Architecture, LayerSpec, Network } from "./architecture";
import { dimsOf } from "./config";
import { Layer } from "./layer";
import { Run, type RunOptions, type Value } from "./network";
import { readKerasWeights } from "./weights";

/** What stands for a batch and for a dimension that the model leaves open. */
const BATCH = 2;
const OPEN = 16;

/** A declared input: its dimensions without the batch. */
interface Declared {
  readonly name: string;
  readonly dims: readonly (number | undefined)[];
  readonly dtype: DType;
}

/** A Keras architecture as a Model: Keras builds a layer's weights on its first call, and so does this. */
export class KerasModel implements Model {
  readonly className: string;
  readonly place: SourcePlace;
  readonly root: ModuleInfo;
  readonly stateDict: readonly ParameterInfo[];
  readonly problems: readonly Problem[];
  /** The layers with their weights, for those who read and write Keras's own files. */
  readonly layers: Layer;
  private readonly network: Network;
  private readonly declared: readonly Declared[];
  private given: GivenInputs | undefined;

  constructor(
    readonly file: string,
    readonly spec: LayerSpec & { readonly network: Network },
    private readonly architecture: Architecture,
    readonly generation: 2 | 3,
    private readonly weights: string | undefined,
  ) {
    this.className = spec.name;
    this.place = spec.place;
    this.network = spec.network;
    this.layers = new Layer({
      className: spec.className,
      name: spec.name,
      path: "",
      checkpoint: "",
      place: spec.place,
      config: spec.config,
      listed: true,
    });
    this.declared = declaredInputs(this.network, file);
    const { run } = this.run({ training: false, generation, batch: 1, open: OPEN });
    const seen = new Set<string>();
    this.problems = run.problems.filter(({ message }) => !seen.has(message) && seen.add(message));
    this.root = moduleOf(this.layers);
    this.stateDict = [...this.layers.allWeights()].map(({ weight }) => ({
      path: weight.path,
      shape: weight.shape,
      dtype: "float32",
      buffer: weight.buffer,
      initializer: weight.initializer.describe(weight.shape),
    }));
  }

  trace(options: TraceOptions = {}): Traced {
    const { batch = BATCH, training = false } = options;
    const settings = { training, generation: this.generation, batch, open: OPEN };
    const given = options.inputs ? { inputs: options.inputs, from: "given" } : this.given;
    let specs = given ? this.checked(given.inputs) : this.declared.map((declared) => exampleOf(declared, batch));
    let { run, values, inputs } = this.run(settings, specs);
    const fixed = new Set(given?.inputs.flatMap((input) => ("dtype" in input && input.dtype ? [input.name] : [])));
    if (fixed.size < specs.length) {
      // Keras 2 declares token numbers float32 and casts them; made-up examples have to be whole numbers in range.
      const renewed = specs.map((spec, i) =>
        fixed.has(spec.name) ? spec : indexing(spec, inputs[i]!, graphNodes(values)),
      );
      if (renewed.some((spec, i) => spec !== specs[i])) {
        specs = renewed;
        ({ run, values, inputs } = this.run(settings, specs));
      }
    }
    const outputs = values.map((value) => this.required(value));
    const graph = new Graph(
      this.className,
      inputs,
      new Map(outputs.map((node, i) => [outputs.length === 1 ? "output" : `output_${i}`, node])),
    );
    for (const node of graph.nodes) {
      const standIn = run.standIns.get(node);
      if (standIn) throw this.untraceable(standIn.reason, standIn.place);
    }
    const open = this.declared.some(({ dims }) => dims.includes(undefined));
    const inputsFrom = given
      ? given.from
      : `the model's input layers${open ? `, with ${OPEN} for each dimension they leave open` : ""}`;
    return { graph, inputs: specs, inputsFrom, problems: [] };
  }

  async readWeights(file = this.weights): Promise<StoredWeights | undefined> {
    if (file === undefined) return undefined;
    return { values: await readKerasWeights(this.layers, file), from: file };
  }

  /** Values with the distributions of the layers' own initializers, drawn from the seed; not TensorFlow's numbers. */
  initialize(seed: number): Map<string, Tensor> {
    const random = new Random(seed);
    const values = new Map<string, Tensor>();
    for (const { weight } of this.layers.allWeights()) {
      const tensor = allocate("float32", weight.shape);
      weight.initializer.fill(tensor.data as Float32Array, weight.shape, random);
      values.set(weight.path, tensor);
    }
    return values;
  }

  private run(
    options: RunOptions,
    specs: readonly InputSpec[] = this.declared.map((d) => exampleOf(d, options.batch)),
  ) {
    const inputs = specs.map((spec) => input(spec.name, spec.shape, spec.dtype));
    const run = new Run(options, this.architecture);
    const values = run.network(this.network, this.layers, inputs);
    return { run, values, inputs };
  }

  useInputs(inputs: GivenInputs): void {
    this.given = inputs;
  }

  private checked(inputs: readonly GivenInput[]): InputSpec[] {
    const names = this.declared.map(
      ({ name, dims }) => `${name} [${["batch", ...dims.map((d) => d ?? "any")].join(", ")}]`,
    );
    const refused = (why: string) =>
      new UserError(`${this.className} ${why}; it takes ${names.join(", ")}`, { file: this.file });
    const wrong = inputs.find((spec) => !this.declared.some(({ name }) => name === spec.name));
    if (wrong) throw refused(`has no input "${wrong.name}"`);
    return this.declared.map(({ name, dims, dtype }) => {
      const [given, twice] = inputs.filter((candidate) => candidate.name === name);
      if (twice) throw refused(`is given the input "${name}" twice`);
      if (!given || "none" in given) throw refused(`needs the input "${name}", which was not given`);
      const { shape } = given;
      if (shape.length !== dims.length + 1 || dims.some((d, i) => d !== undefined && d !== shape[i + 1]))
        throw refused(`is given the input "${name}" as [${shape.join(", ")}]`);
      return { name, shape, dtype: given.dtype === undefined || given.dtype === "floating" ? dtype : given.dtype };
    });
  }

  private required(value: Value): Node {
    if (value instanceof Node) return value;
    throw this.untraceable(value.reason, value.place);
  }

  private untraceable(reason: string, place: SourcePlace): UserError {
    return new UserError(`${this.className} cannot be traced: line ${place.line}: ${reason}`, {
      file: this.file,
      line: place.line,
    });
  }
}

function graphNodes(values: readonly Value[]): readonly Node[] {
  const nodes = values.filter((value) => value instanceof Node);
  return new Graph("", [], new Map(nodes.map((node, i) => [String(i), node]))).nodes;
}

/** The example as whole numbers below the size of the smallest table that it indexes, if it indexes one. */
function indexing(spec: InputSpec, node: Node, nodes: readonly Node[]): InputSpec {
  const least = smallestTable(node, nodes);
  if (!Number.isFinite(least)) return spec;
  return { ...spec, dtype: spec.dtype === "int32" ? "int32" : "int64", below: least };
}

function exampleOf({ name, dims, dtype }: Declared, batch: number): InputSpec {
  return { name, shape: [batch, ...dims.map((dim) => dim ?? OPEN)], dtype };
}

function declaredInputs(network: Network, file: string): Declared[] {
  if (network.kind === "Functional") {
    return network.inputs.map((ref) => {
      const layer = network.layers.find((spec) => spec.name === ref.layer);
      if (!layer) throw new UserError(`the input layer "${ref.layer}" is not in the model`, { file });
      const [declared] = innerInputs(layer, ref.layer);
      if (!declared)
        throw new UserError(`the input layer "${ref.layer}" states no shape`, { file, line: layer.place.line });
      return declared;
    });
  }
  const first = network.layers[0];
  if (!first) throw new UserError("the model has no layers", { file });
  const found = innerInputs(first, first.className === "InputLayer" ? first.name : "input");
  if (found.length > 0) return found;
  if (network.inputDims) return [{ name: "input", dims: network.inputDims, dtype: "float32" }];
  throw new UserError("the model states no input shape: it was saved before it was built", {
    file,
    line: first.place.line,
  });
}

function innerInputs(spec: LayerSpec, name: string): Declared[] {
  if (spec.network) return declaredInputs(spec.network, spec.place.file).map((d) => ({ ...d, name: d.name }));
  const { config } = spec;
  const shape = dimsOf(config.get("batch_shape")) ?? dimsOf(config.get("batch_input_shape"));
  const dims = shape ? shape.slice(1) : dimsOf(config.get("input_shape"));
  const own = dims ?? spec.buildShape?.slice(1);
  if (own) return [{ name, dims: own, dtype: inputDType(config.get("dtype")) }];
  // Embeddings of Keras 2 state their input's length only.
  if (spec.className !== "Embedding") return [];
  return [{ name, dims: [dimsOf(config.get("input_length"))?.[0]], dtype: "int64" }];
}

function inputDType(value: unknown): DType {
  return value === "int32" || value === "int64" || value === "bool" ? value : "float32";
}

function moduleOf(layer: Layer): ModuleInfo {
  const { path, className, place } = layer.identity;
  return {
    path,
    kind: className,
    place,
    builtin: isListed(layer),
    ...layer.features,
    ...(layer.features && { weight: { path: `${path}.kernel`, fanInFanOut: true } }),
    parameters: layer.parameters(),
    children: layer.children.filter((child) => child.identity.className !== "InputLayer").map(moduleOf),
  };
}

/** What people think of as layers: no model, no cell of a recurrent layer, and of an attention its projections. */
function isListed({ identity, features, children }: Layer): boolean {
  if (["Sequential", "Functional", "Model"].includes(identity.className)) return false;
  return identity.listed ? !children.some((child) => child.features) : features !== undefined;
}
