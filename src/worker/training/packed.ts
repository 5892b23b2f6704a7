import { allocate, float32, sizeOf, type Tensor } from "../formats/tensor";
import { input, narrow, reshape } from "../graph/build";
import { Graph, rewrite } from "../graph/graph";
import { is, type Node } from "../graph/node";

/** Name of the state that holds the trainable parameters. */
export const PARAMETERS = "state.parameters";

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
