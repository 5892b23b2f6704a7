import type { TensorData } from "../formats/tensor";
import type { Graph } from "./graph";
import { isOf } from "./kinds";
import { is, lineText, type Node } from "./node";
import { shapeText } from "./shapes";

export interface PrintOptions {
  /** Append the source line each node came from. */
  readonly places?: boolean;
}

/**
 * The graph as text, one line a node, in execution order:
 *
 *     graph MLP(x: float32[2, 784])
 *       %0 = linear(x, fc1.weight, fc1.bias)        float32[2, 512]  line 9
 *       return output = %0
 *
 * Inputs and parameters stand by name; weights used are listed below with their shapes.
 */
export function printGraph(graph: Graph, options: PrintOptions = {}): string {
  const names = new Map<Node, string>();
  const lines: string[] = [];
  let next = 0;
  for (const node of graph.nodes) {
    const literal = leafText(node);
    if (literal !== undefined) {
      names.set(node, literal);
      continue;
    }
    const name = `%${next++}`;
    names.set(node, name);
    const operands = [...node.inputs.map((n) => names.get(n)!), ...attrTexts(node)];
    const call = `  ${name} = ${node.op}(${operands.join(", ")})`;
    const place = options.places && node.place ? `  ${lineText(node.place)}` : "";
    lines.push(`${call.padEnd(58)}  ${typeText(node)}${place}`);
  }
  const inputs = graph.inputs.map((n) => `${n.attrs.name}: ${typeText(n)}`).join(", ");
  const outputs = [...graph.outputs].map(([name, node]) => `${name} = ${names.get(node)}`).join(", ");
  const weights = graph.parameters.map((n) => `  ${n.attrs.path}: ${typeText(n)}`);
  return [
    `graph ${graph.name}(${inputs})`,
    ...lines,
    `  return ${outputs}`,
    ...(weights.length > 0 ? ["weights", ...weights] : []),
    "",
  ].join("\n");
}

function typeText(node: Node): string {
  return `${node.dtype}${shapeText(node.shape)}`;
}

function leafText(node: Node): string | undefined {
  if (is(node, "input")) return node.attrs.name;
  if (is(node, "parameter")) return node.attrs.path;
  if (is(node, "constant") && node.attrs.data.length === 1) {
    const value = String(node.attrs.data[0]);
    return node.shape.length === 0 ? value : `full(${value}, ${shapeText(node.shape)})`;
  }
  return undefined;
}

function attrTexts(node: Node): string[] {
  return Object.entries(node.attrs).flatMap(([name, value]) => {
    if (value === undefined || value === false || (name === "alpha" && value === 1)) return [];
    // For a product this would repeat the weight's name.
    if (name === "fused" || (name === "layer" && node.op !== "layer")) return [];
    if (isOf(node, "window") && isUsual(name, value)) return [];
    return [`${name}=${attrText(value)}`];
  });
}

/** Strides, dilations and groups of 1 and zero padding are not printed. */
function isUsual(name: string, value: unknown): boolean {
  const usual = name === "before" || name === "after" || name === "extra" ? 0 : 1;
  return name !== "kernel" && [value].flat().every((v) => v === usual);
}

function attrText(value: unknown): string {
  if (ArrayBuffer.isView(value)) {
    const data = value as TensorData;
    const head = [...data.subarray(0, 6)].join(", ");
    return data.length > 6 ? `[${head}, … ${data.length} values]` : `[${head}]`;
  }
  if (Array.isArray(value)) return `[${value.join(", ")}]`;
  if (typeof value === "object" && value !== null) return JSON.stringify(value);
  return String(value);
}
