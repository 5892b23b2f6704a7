import type * as Tf from "@tensorflow/tfjs";
import { convert } from "../../formats/convert";
import { UserError } from "../../formats/errors";
import { loadTensor } from "../../formats/safetensors";
import { sizeOf, type Tensor } from "../../formats/tensor";
import type { Graph } from "../../graph/graph";
import { isOf } from "../../graph/kinds";
import { is, type Node } from "../../graph/node";
import { sameShape } from "../../graph/shapes";
import type { Availability, CompileOptions, Engine, EngineTensor, Executable, Feed } from "../engine";
import { checkFeeds } from "../feeds";
import { arangeValues, isSplat, literal } from "../literals";
import { lastUses } from "../liveness";
import { requireValue } from "../parameters";
import { type Backend, loadBackend } from "./backend";
import { OPS } from "./ops";
import { type OpContext, swapLast } from "./products";
import { broadcastTo, TfTensor, tfType, toTf } from "./tensor";

/**
 * TensorFlow.js, op by op in the graph's order. It has float32, int32 and bool: float64 and half precision are computed
 * as float32, whole numbers as int32.
 */
export function tfjsEngine(): Engine {
  let availability: Promise<Availability> | undefined;
  return {
    id: "tfjs",
    label: "TensorFlow.js",
    available() {
      availability ??= loadBackend().then(
        ({ device }) => ({ available: true, device }),
        (error: unknown) => ({
          available: false,
          reason: `TensorFlow.js does not start: ${error instanceof Error ? error.message.split("\n")[0] : error}`,
        }),
      );
      return availability;
    },
    async compile(graph, options) {
      return TfExecutable.create(await loadBackend(), graph, options);
    },
  };
}

class TfExecutable implements Executable {
  /** Weights and constants, by node; those of one value as scalars. */
  private readonly fixed = new Map<Node, Tf.Tensor>();
  /** Weights with their two axes swapped, by path, made when first wanted. */
  private readonly swapped = new Map<string, Tf.Tensor>();
  private readonly endings: readonly (readonly Node[])[];

  private constructor(
    private readonly backend: Backend,
    private readonly graph: Graph,
  ) {
    this.endings = lastUses(graph);
  }

  static async create(backend: Backend, graph: Graph, options: CompileOptions): Promise<TfExecutable> {
    const executable = new TfExecutable(backend, graph);
    try {
      await executable.load(options);
      return executable;
    } catch (error) {
      await executable.dispose();
      throw error;
    }
  }

  private async load({ parameters, signal }: CompileOptions): Promise<void> {
    const { tf } = this.backend;
    const byPath = new Map<string, Tf.Tensor>();
    for (const node of this.graph.parameters) requireValue(node.attrs.path, node, parameters);
    for (const node of this.graph.nodes) {
      if (is(node, "parameter")) {
        signal?.throwIfAborted();
        const { path } = node.attrs;
        const shared = byPath.get(path);
        const value = shared?.clone() ?? toTf(tf, await loadTensor(parameters.get(path)!), `the parameter ${path}`);
        byPath.set(path, value);
        this.fixed.set(node, value);
      } else if (is(node, "constant")) {
        const { shape } = node;
        this.fixed.set(node, toTf(tf, literal(node, isSplat(node) ? [] : shape), "a constant"));
      } else if (is(node, "arange")) {
        this.fixed.set(node, toTf(tf, arangeValues(node), "a range"));
      }
    }
  }

  async run(feeds: ReadonlyMap<string, Feed>): Promise<Map<string, EngineTensor>> {
    const { tf } = this.backend;
    checkFeeds(this.graph, feeds, (feed): feed is TfTensor => feed instanceof TfTensor);
    const values = new Map<Node, Tf.Tensor>();
    // Tensors that this run made and must dispose of: no weights, constants, or tensors from the caller.
    const owned = new Set<Node>();
    const own = (node: Node, value: Tf.Tensor) => {
      values.set(node, value);
      owned.add(node);
    };
    const free = (node: Node) => {
      if (owned.delete(node)) values.get(node)!.dispose();
    };
    try {
      for (const node of this.graph.inputs) {
        const feed = feeds.get(node.attrs.name)!;
        if (feed instanceof TfTensor) values.set(node, feed.value);
        else own(node, toTf(tf, feed as Tensor, `the input "${node.attrs.name}"`));
      }
      for (const [i, node] of this.graph.nodes.entries()) {
        const known = values.get(node) ?? this.fixed.get(node);
        if (!known) own(node, this.compute(node, values));
        for (const ended of this.endings[i]!) free(ended);
      }
      const outputs = new Map<string, EngineTensor>();
      for (const [name, node] of this.graph.outputs) {
        const value = values.get(node) ?? this.whole(node);
        outputs.set(name, new TfTensor(value.clone(), node.shape, node.dtype));
      }
      return outputs;
    } finally {
      for (const node of [...owned]) free(node);
    }
  }

  private compute(node: Node, values: ReadonlyMap<Node, Tf.Tensor>): Tf.Tensor {
    const { tf, kind } = this.backend;
    const context: OpContext = { tf, kind, transposed: (operand) => this.transposed(operand) };
    // A constant of one value can stay a scalar here, since the result is brought to the node's shape.
    const broadcasts = isOf(node, "binary");
    const compute = OPS[node.op as keyof typeof OPS] as (c: OpContext, x: Tf.Tensor[], n: Node) => Tf.Tensor;
    try {
      return tf.tidy(() => {
        const operands = node.inputs.map((n) => values.get(n) ?? (broadcasts ? this.fixed.get(n)! : this.whole(n)));
        const computed = compute(context, operands, node);
        const typed = computed.dtype === tfType(node.dtype) ? computed : tf.cast(computed, tfType(node.dtype));
        const shaped = sameShape(typed.shape, node.shape) ? typed : broadcastTo(tf, typed, node.shape);
        // A tensor of its own, so that each can be disposed of by itself; the memory is shared.
        return tf.clone(shaped);
      });
    } catch (error) {
      throw explained(error, node, this.graph);
    }
  }

  /** A weight or constant in its full shape. */
  private whole(node: Node): Tf.Tensor {
    if (!isSplat(node)) return this.fixed.get(node)!;
    const [value] = convert(literal(node, []), tfType(node.dtype)).data;
    return this.backend.tf.fill([...node.shape], Number(value), tfType(node.dtype));
  }

  private transposed(node: Node): Tf.Tensor | undefined {
    if (!is(node, "parameter") || this.backend.kind !== "wasm") return undefined;
    const { path } = node.attrs;
    const known = this.swapped.get(path);
    if (known) return known;
    const { tf } = this.backend;
    const made = tf.keep(swapLast(tf, this.fixed.get(node)!));
    this.swapped.set(path, made);
    return made;
  }

  async dispose(): Promise<void> {
    for (const value of [...this.fixed.values(), ...this.swapped.values()]) value.dispose();
    this.fixed.clear();
    this.swapped.clear();
  }
}

function explained(error: unknown, node: Node, graph: Graph): unknown {
  if (!(error instanceof Error) || !/memory|alloc|kernel .* not registered|rank/i.test(error.message)) return error;
  const operands = node.inputs.map((n) => `${n.dtype} [${n.shape.join(", ")}]`).join(", ");
  const bytes = sizeOf(node.shape) * 4;
  return new UserError(
    `TensorFlow.js cannot compute ${node.op}(${operands}) in ${graph.name} (a result of ${bytes} bytes): ${error.message}`,
    node.place && { file: node.place.file, line: node.place.line },
  );
}
