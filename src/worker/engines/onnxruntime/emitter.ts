import type { DType } from "../../formats/dtype";
import { ATTRIBUTE_TYPE, type AttributeProto, type NodeProto, ONNX_DTYPE, type TensorProto } from "../../formats/onnx";
import { bytesOf, type Tensor } from "../../formats/tensor";
import type { Node } from "../../graph/node";

/** An attribute's value: whole numbers are ints, `{ float }` floats, text strings. */
export type Attribute = number | { readonly float: number } | string | readonly number[] | Tensor;

/** Collects the nodes and initializers of an ONNX graph. Values are named by text, as ONNX names them. */
export class Emitter {
  readonly nodes: NodeProto[] = [];
  readonly initializers: TensorProto[] = [];
  /** Which graph node an ONNX node was made for: errors are reported in the user's terms. */
  readonly origins = new Map<string, Node>();
  private readonly shared = new Map<string, string>();
  private count = 0;
  private origin: Node | undefined;

  /** Runs `body` with every ONNX node made in it attributed to `node`. */
  for<T>(node: Node, body: () => T): T {
    const outer = this.origin;
    this.origin = node;
    try {
      return body();
    } finally {
      this.origin = outer;
    }
  }

  /** Adds a node with one output and returns the output's name. */
  op(opType: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    return this.many(opType, inputs, attributes, 1)[0]!;
  }

  /** One of ONNX Runtime's own operators (domain com.microsoft). */
  contrib(opType: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    const output = this.op(opType, inputs, attributes);
    this.nodes.at(-1)!.domain = "com.microsoft";
    return output;
  }

  /** Adds a node with several outputs. */
  many(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>>,
    outputs: number,
  ): string[] {
    const name = `${this.origin?.op ?? "value"}_${this.count++}`;
    const output = Array.from({ length: outputs }, (_, i) => (i === 0 ? name : `${name}.${i}`));
    this.nodes.push({
      name,
      opType,
      input: [...inputs],
      output: [...output],
      attribute: Object.entries(attributes).map(([key, value]) => attributeProto(key, value)),
    });
    if (this.origin) this.origins.set(name, this.origin);
    return output;
  }

  /** Gives a value the name that a graph output has: by renaming it where it is made, else by a copy. */
  expose(value: string, name: string): void {
    const last = this.nodes.at(-1);
    if (last?.output[0] === value) last.output[0] = name;
    else
      this.nodes.push({
        name: `output_${this.count++}`,
        opType: "Identity",
        input: [value],
        output: [name],
        attribute: [],
      });
  }

  cast(value: string, from: DType, to: DType): string {
    return from === to ? value : this.op("Cast", [value], { to: ONNX_DTYPE[to] });
  }

  /** An initializer in the model itself. Small equal ones are shared. */
  tensor(tensor: Tensor): string {
    const bytes = bytesOf(tensor);
    const key =
      bytes.length <= 256 ? `${tensor.dtype}[${tensor.shape}]${Buffer.from(bytes).toString("hex")}` : undefined;
    const known = key === undefined ? undefined : this.shared.get(key);
    if (known !== undefined) return known;
    const name = `constant_${this.count++}`;
    this.initializers.push(tensorProto(name, tensor));
    if (key !== undefined) this.shared.set(key, name);
    return name;
  }

  /** A 1-D int64 initializer: axes, shapes. */
  int64s(values: readonly number[]): string {
    return this.tensor({ dtype: "int64", shape: [values.length], data: BigInt64Array.from(values, BigInt) });
  }

  reshape(value: string, shape: readonly number[]): string {
    // allowzero: a 0 is a dimension of size 0, not "as before".
    return this.op("Reshape", [value, this.int64s(shape)], { allowzero: 1 });
  }
}

export function tensorProto(name: string, tensor: Tensor): TensorProto {
  return { name, dims: [...tensor.shape], dataType: ONNX_DTYPE[tensor.dtype], rawData: bytesOf(tensor) };
}

function attributeProto(name: string, value: Attribute): AttributeProto {
  if (typeof value === "number") return { name, type: ATTRIBUTE_TYPE.int, i: value };
  if (typeof value === "string") return { name, type: ATTRIBUTE_TYPE.string, s: new TextEncoder().encode(value) };
  if ("float" in value) return { name, type: ATTRIBUTE_TYPE.float, f: value.float };
  if ("dtype" in value) return { name, type: ATTRIBUTE_TYPE.tensor, t: tensorProto("", value) };
  return { name, type: ATTRIBUTE_TYPE.ints, ints: [...value] };
}
