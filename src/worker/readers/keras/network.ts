import { UserError } from "../../formats/errors";
import { at, input, scalar } from "../../graph/build";
import { Node, type SourcePlace } from "../../graph/node";
import { ShapeError } from "../../graph/shapes";
import type { Problem } from "../model";
import type { Architecture, Argument, LayerSpec, Network, Reference } from "./architecture";
import { ConfigError, Untraceable } from "./config";
import { isJsonObject } from "./json";
import type { Layer, LayerCall } from "./layer";
import { layerKind } from "./layers";
import { type Mask, maskAfter, requireFollowed } from "./masks";

/** A tensor that is not known, and why. */
export interface Opaque {
  readonly reason: string;
  readonly place: SourcePlace;
}
export type Value = Node | Opaque;

export interface RunOptions {
  readonly training: boolean;
  readonly generation: 2 | 3;
  readonly batch: number;
  /** What stands for a dimension that the model leaves open. */
  readonly open: number;
}

/** A nested model called twice at each of thirty levels would be a billion calls. */
const MAX_CALLS = 50_000;

/** One evaluation of a network: layers get their weights on the first, and calls become graph nodes. */
export class Run {
  readonly problems: Problem[] = [];
  /** Stand-ins for outputs whose shape is known and whose value is not. */
  readonly standIns = new Map<Node, Opaque>();
  private readonly masks = new Map<Node, Mask>();
  private calls = 0;

  constructor(
    readonly options: RunOptions,
    private readonly architecture: Architecture,
  ) {}

  network(network: Network, layer: Layer, inputs: readonly Value[]): Value[] {
    return network.kind === "Sequential"
      ? this.sequential(network, layer, inputs)
      : this.functional(network, layer, inputs);
  }

  private sequential(network: Network, layer: Layer, inputs: readonly Value[]): Value[] {
    const children = childrenOf(network, layer);
    return network.layers.reduce<readonly Value[]>(
      (values, spec, i) =>
        spec.className === "InputLayer" ? values : this.call(spec, children[i]!, values, new Map()),
      inputs,
    ) as Value[];
  }

  private functional(network: Network, layer: Layer, inputs: readonly Value[]): Value[] {
    const children = childrenOf(network, layer);
    const values = new Map<string, Value>();
    network.inputs.forEach((ref, i) => {
      const given = inputs[i];
      if (given) values.set(keyOf(ref), given);
    });
    const pending = network.layers.flatMap((spec, i) =>
      spec.calls.map((call, index) => ({ spec, child: children[i]!, call, index })),
    );
    // Old files and TensorFlow.js count a nested model's own construction as its first call.
    const references = [
      ...pending.flatMap(({ call }) => [...call.args, ...call.kwargs.values()].flatMap(refsOf)),
      ...network.outputs,
    ];
    const first = new Map(
      network.layers
        .filter((spec) => spec.network && references.some((r) => r.layer === spec.name && r.call >= spec.calls.length))
        .map((spec) => [spec.name, 1]),
    );
    // Layers stand in the order of their calls but for shared ones, which a further round reaches.
    for (let rest = pending; rest.length > 0; ) {
      const waiting: typeof rest = [];
      for (const entry of rest) {
        const { spec, child, call, index } = entry;
        const needed = [...call.args, ...call.kwargs.values()].flatMap(refsOf);
        if (spec.className === "InputLayer" || !needed.every((ref) => values.has(keyOf(ref)))) {
          if (spec.className !== "InputLayer") waiting.push(entry);
          continue;
        }
        const resolve = (ref: Reference): Value => this.shaped(values.get(keyOf(ref))!, ref);
        const args = call.args.flatMap((a) => this.tensors(a, resolve, spec));
        const kwargs = new Map([...call.kwargs].map(([name, a]) => [name, "ref" in a ? resolve(a.ref) : a] as const));
        this.call(spec, child, args, kwargs).forEach((value, output) => {
          values.set(keyOf({ layer: spec.name, call: index + (first.get(spec.name) ?? 0), output }), value);
        });
      }
      if (waiting.length === rest.length) break;
      rest = waiting;
    }
    return network.outputs.map(
      (ref) =>
        values.get(keyOf(ref)) ?? {
          reason: `the output "${ref.layer}" cannot be reached from any input`,
          place: layer.identity.place,
        },
    );
  }

  /** An unknown value gets a stand-in where Keras 3 states the shape, so that later layers' sizes are known. */
  private shaped(value: Value, ref: Reference): Value {
    if (value instanceof Node || !ref.shape) return value;
    const [, ...dims] = ref.shape;
    if (dims.some((d) => d === undefined)) return value;
    return this.standIn([this.options.batch, ...(dims as number[])], value);
  }

  private standIn(shape: readonly number[], opaque: Opaque): Node {
    const node = input(`?${this.standIns.size}`, shape, "float32");
    this.standIns.set(node, opaque);
    return node;
  }

  private tensors(argument: Argument, resolve: (ref: Reference) => Value, spec: LayerSpec): Value[] {
    if ("ref" in argument) return [resolve(argument.ref)];
    if ("list" in argument) return argument.list.flatMap((a) => this.tensors(a, resolve, spec));
    const { literal } = argument;
    if (typeof literal === "number") return [scalar(literal)];
    return literal === null ? [] : [{ reason: `an argument of ${spec.name} is not a tensor`, place: spec.place }];
  }

  /** Calls a layer. A failure is a problem at its place, and its outputs are unknown. */
  private call(
    spec: LayerSpec,
    layer: Layer,
    args: readonly Value[],
    kwargs: ReadonlyMap<string, Value | Argument>,
  ): Value[] {
    if (++this.calls > MAX_CALLS) {
      throw new UserError(`the model calls more than ${MAX_CALLS} layers`, spec.place);
    }
    if (spec.network) return this.network(spec.network, layer, args);
    const opaque = [...args, ...kwargs.values()].find((v): v is Opaque => !(v instanceof Node) && "reason" in v);
    if (opaque) {
      const inputs = this.statedInputs(spec, opaque);
      if (!inputs) {
        layer.unknown = true;
        return [opaque];
      }
      return this.compute(spec, layer, inputs, new Map());
    }
    return this.compute(spec, layer, args as readonly Node[], kwargs as ReadonlyMap<string, Argument | Node>);
  }

  /** The input shape that Keras 3 notes when it builds a layer. */
  private statedInputs(spec: LayerSpec, opaque: Opaque): Node[] | undefined {
    const dims = spec.buildShape?.slice(1);
    if (!dims) return undefined;
    return [this.standIn([this.options.batch, ...dims.map((d) => d ?? this.options.open)], opaque)];
  }

  private compute(spec: LayerSpec, layer: Layer, inputs: readonly Node[], kwargs: LayerCall["kwargs"]): Value[] {
    try {
      const stated = kwargs.get("mask");
      const mask = stated instanceof Node ? stated : inputs.map((x) => this.masks.get(x)).find((m) => m !== undefined);
      const operation = spec.module.startsWith("keras.src.ops");
      if (!operation) requireFollowed(spec.className, mask);
      const given = mask === "unclear" ? undefined : mask;
      const made = [...this.nodes(spec.className, spec.module, layer, inputs, kwargs, given)];
      const after = operation ? undefined : maskAfter(spec.className, spec.config, inputs, mask);
      if (after) this.masks.set(made[0]!, after);
      // One value with a mask at one place and none at another: who looks at it is told that it is not followed.
      else if (!operation && mask !== undefined && inputs.includes(made[0]!)) this.masks.set(made[0]!, "unclear");
      return made;
    } catch (error) {
      const known = error instanceof ConfigError || error instanceof Untraceable || error instanceof ShapeError;
      // Graph construction throws TypeErrors and RangeErrors with messages for people where dtypes and sizes disagree.
      const built = error instanceof TypeError || error instanceof RangeError || (error as Error).name === "PyError";
      if (!known && !built) throw error;
      const message = `${spec.className} "${spec.name}": ${(error as Error).message}`;
      const severity = error instanceof Untraceable ? "warning" : "error";
      this.problems.push({ place: spec.place, message, severity });
      if (!(error instanceof Untraceable) || !layerKind(spec.className, spec.module)) layer.unknown = true;
      const opaque = { reason: message, place: spec.place };
      const shape = error instanceof Untraceable ? error.shape : undefined;
      return [shape ? this.standIn(shape, opaque) : opaque];
    }
  }

  private nodes(
    className: string,
    module: string,
    layer: Layer,
    inputs: readonly Node[],
    kwargs: LayerCall["kwargs"],
    mask?: Node,
  ): readonly Node[] {
    const kind = layerKind(className, module);
    if (!kind) {
      throw new Untraceable(
        "this kind of layer is not known; its parameters are not counted, and what follows it is not traced",
      );
    }
    if (inputs.length === 0) throw new ConfigError("it is called without an input");
    layer.inputRanks.add(inputs[0]!.shape.length);
    const made = at(layer.identity.place, () =>
      kind({
        layer,
        config: layer.config,
        inputs,
        kwargs,
        training: this.options.training,
        mask,
        generation: this.options.generation,
        callChild: (child, own, steps) => this.nodes(child.identity.className, "", child, own, new Map(), steps),
        childFrom: (key, checkpoint, prefix = "") => this.childFrom(layer, key, checkpoint, prefix),
      }),
    );
    return made instanceof Node ? [made] : made;
  }

  private childFrom(layer: Layer, key: string, checkpoint: string, prefix: string): Layer {
    const json = layer.config.get(key);
    if (json === undefined) throw new ConfigError(`it does not say which layer it wraps`);
    const spec = this.architecture.layer(json, false);
    if (spec.network) throw new Untraceable("a wrapped model is not supported");
    const name = prefix + spec.name;
    return layer.child({
      className: spec.className,
      name,
      path: `${layer.identity.path}.${name}`,
      checkpoint: `${layer.identity.checkpoint}/${checkpoint}`,
      place: isJsonObject(json) ? spec.place : layer.identity.place,
      config: spec.config,
      listed: true,
    });
  }
}

const keyOf = ({ layer, call, output }: Reference): string => `${call}/${output}/${layer}`;

function refsOf(argument: Argument): Reference[] {
  if ("ref" in argument) return [argument.ref];
  return "list" in argument ? argument.list.flatMap(refsOf) : [];
}

/** The layers of a network, in its order; made once. */
function childrenOf(network: Network, parent: Layer): Layer[] {
  const counts = new Map<string, number>();
  const prefix = parent.identity.path === "" ? "" : `${parent.identity.path}.`;
  const base = parent.identity.checkpoint === "" ? "layers" : `${parent.identity.checkpoint}/layers`;
  const names = new Set<string>();
  return network.layers.map((spec) => {
    // Keras 3 saves by class, counted, because layers' names vary from one construction to the next.
    const stem = snakeCase(spec.className);
    const count = counts.get(stem) ?? 0;
    counts.set(stem, count + 1);
    if (names.has(spec.name)) throw new UserError(`two layers are named "${spec.name}"`, spec.place);
    names.add(spec.name);
    return parent.child({
      className: spec.className,
      name: spec.name,
      path: prefix + spec.name,
      checkpoint: `${base}/${count === 0 ? stem : `${stem}_${count}`}`,
      place: spec.place,
      config: spec.config,
      listed: true,
    });
  });
}

/** keras.utils.naming.to_snake_case. */
function snakeCase(name: string): string {
  return name
    .replace(/\W+/g, "")
    .replace(/(.)([A-Z][a-z]+)/g, "$1_$2")
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .toLowerCase();
}
