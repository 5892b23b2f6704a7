import type { DType } from "../../formats/dtype";
import { encodeModel, ONNX_DTYPE, type TensorProto, type ValueInfoProto } from "../../formats/onnx";
import type { Graph } from "../../graph/graph";
import { is, type Node } from "../../graph/node";
import { ALL_KERNELS, borderType, inputName, type Kernels, Lowering, parameterName } from "./lowering";
import { LOWERINGS } from "./lowerings";

/** A graph as an ONNX model, apart from its weights. */
export interface LoweredModel {
  /** The file's bytes, with the given weights as initializers. */
  encode(weights: readonly TensorProto[]): Uint8Array;
  /** ONNX value names and host element types of the graph's inputs, by the graph's names. */
  readonly inputs: ReadonlyMap<string, BoundValue>;
  readonly outputs: ReadonlyMap<string, BoundValue>;
  /** The graph's input names by the session's. */
  readonly inputNames: ReadonlyMap<string, string>;
  /** Initializer names that `weights` must define, by parameter path. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Which graph node an ONNX node was made for. */
  readonly origins: ReadonlyMap<string, Node>;
}

export interface BoundValue {
  readonly name: string;
  readonly node: Node;
  /** The type at the session's border (`borderType`). */
  readonly hostType: DType;
}

/** ONNX's operator set, the first with Gelu; and IR version 10, which that set goes with. */
const OPSET = 20;
const IR_VERSION = 10;

/** Translates a graph op by op. Each tensor's shape is known, so every shape in the model is a number. */
export function lower(graph: Graph, kernels: Kernels = ALL_KERNELS): LoweredModel {
  const lowering = new Lowering(
    graph,
    (node, l) => (LOWERINGS[node.op] as (node: Node, l: Lowering) => string)(node, l),
    kernels,
  );
  const inputs = new Map<string, BoundValue>();
  for (const node of graph.inputs) inputs.set(node.attrs.name, bound(inputName(node.attrs.name), node));
  const parameters = new Map<string, string>();
  for (const node of graph.parameters) parameters.set(node.attrs.path, parameterName(node.attrs.path));

  const wanted = new Map<Node, string>();
  const outputs = new Map<string, BoundValue>();
  for (const [name, node] of graph.outputs) {
    outputs.set(name, bound(`output:${name}`, node));
    if (!wanted.has(node)) wanted.set(node, `output:${name}`);
  }
  for (const node of graph.nodes) {
    if (is(node, "constant")) continue; // made where it is used
    const value = lowering.lowerNode(node);
    const name = wanted.get(node);
    if (name === undefined || node.dtype === "bfloat16") continue;
    lowering.emit.expose(value, name);
    lowering.values.set(node, name);
  }
  for (const [name, { node, hostType }] of outputs) {
    const value = lowering.value(node);
    if (value !== `output:${name}`) {
      const { emit } = lowering;
      const copy = hostType === node.dtype ? emit.op("Identity", [value]) : emit.cast(value, node.dtype, hostType);
      emit.expose(copy, `output:${name}`);
    }
  }

  const used = new Set(graph.nodes);
  const { nodes, initializers, origins } = lowering.emit;
  return {
    inputNames: new Map(graph.inputs.map(({ attrs }) => [inputName(attrs.name), attrs.name])),
    inputs,
    outputs,
    parameters,
    origins,
    encode: (weights) =>
      encodeModel({
        irVersion: IR_VERSION,
        producerName: "lora-lens",
        opsetImport: [
          { domain: "", version: OPSET },
          { domain: "com.microsoft", version: 1 },
        ],
        graph: {
          name: graph.name,
          node: nodes,
          initializer: [...initializers, ...weights],
          input: [...inputs.values()].filter((v) => used.has(v.node)).map(valueInfo),
          output: [...outputs.values()].map(valueInfo),
        },
      }),
  };
}

function bound(name: string, node: Node): BoundValue {
  return { name, node, hostType: borderType(node.dtype) };
}

function valueInfo({ name, node, hostType }: BoundValue): ValueInfoProto {
  const dim = node.shape.map((dimValue) => ({ dimValue }));
  return { name, type: { tensorType: { elemType: ONNX_DTYPE[hostType], shape: { dim } } } };
}
