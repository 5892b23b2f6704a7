import { toFloat32 } from "../../../formats/convert";
import { UserError } from "../../../formats/errors";
import { add, cast, dropout, linear, matmul, reshape } from "../../../graph/build";
import type { Node } from "../../../graph/node";
import { sameShape, shapeText } from "../../../graph/shapes";
import { productNorm } from "../../../numbers/algebra/productNorm";
import type { InputSpec } from "../../../readers/inputSpec";
import { weightOf } from "../../targets/layer";
import type { AdaptedLayer, AdapterTensor, Call, LayerAdapter, Operands, Variant } from "../variant";

/** Rows of the input that the two computations are compared on. */
const ROWS = 4;

/** State-dict paths of the two factors. */
const nameOfA = (path: string): string => `${path}.lora_A.weight`;
const nameOfB = (path: string): string => `${path}.lora_B.weight`;

/**
 * LoRA on a linear layer (arXiv 2106.09685, equation 3): `linear(x, W, b)` becomes
 * `linear(x, W, b) + scaling * B(A(dropout(x)))`. The adapter is float32 whatever the base is.
 */
export const LINEAR: Variant = {
  name: "LoRA",
  fields: [],
  adapts: ({ kind, weight }) => kind === "Linear" || weight !== undefined,
  tensors: ({ layer: { path, inFeatures, outFeatures }, rank }): AdapterTensor[] => [
    { name: nameOfA(path), shape: [rank, inFeatures], trained: true, factor: "A" },
    { name: nameOfB(path), shape: [outFeatures, rank], trained: true, factor: "B" },
  ],
  forward,
  delta: ({ layer: { path }, scaling }, { tensor }) =>
    matmul(tensor(nameOfB(path)), tensor(nameOfA(path)), { alpha: scaling }),
  deltaNorm: async ({ layer: { path, inFeatures, outFeatures }, rank, scaling }, tensor, pause) => {
    const a = { rows: rank, columns: inFeatures, data: toFloat32(tensor(nameOfA(path))) };
    const b = { rows: outFeatures, columns: rank, data: toFloat32(tensor(nameOfB(path))) };
    return Math.abs(scaling) * (await productNorm(b, a, pause));
  },
  changes: (layer) => [weightOf(layer).path],
  merged: (adapter, operands) => new Map([[weightOf(adapter.layer).path, mergedWeight(adapter, operands)]]),
  check: {
    input: ({ inFeatures }: AdaptedLayer): Pick<InputSpec, "shape" | "dtype"> => ({
      shape: [ROWS, inFeatures],
      dtype: "float32",
    }),
    byDelta: (adapter, x, operands) => matmul(x, adapter.variant.delta(adapter, operands), { transposeB: true }),
    proportional: true,
    exactGradients: true,
  },
};

function forward({ layer, rank, scaling, dropout: p }: LayerAdapter, call: Call, { tensor }: Operands): Node {
  if (layer.marked) requireFit(layer, call);
  const { path } = layer;
  const { base, scale } = call;
  const low = linear(dropout(cast(call.x, "float32"), p), tensor(nameOfA(path)));
  const options = { transposeB: true, alpha: scale * scaling };
  // The base product is the addend, so that an engine computes both paths' sum in one kernel.
  if (base.dtype === "float32" && base.shape.length >= 2) {
    return matmul(low, tensor(nameOfB(path)), { ...options, c: base });
  }
  const rows = low.shape.length === 1 ? reshape(low, [1, rank]) : low;
  return add(base, cast(reshape(matmul(rows, tensor(nameOfB(path)), options), base.shape), base.dtype));
}

/** A class of the model's own may give its linear layer another shape. */
function requireFit({ path, inFeatures, outFeatures }: AdaptedLayer, { x, base }: Call): void {
  if (x.shape.at(-1) === inFeatures && sameShape(base.shape, [...x.shape.slice(0, -1), outFeatures])) return;
  throw new UserError(
    `${path} is called with ${shapeText(x.shape)} and returns ${shapeText(base.shape)}, but an adapter maps ${inFeatures} features to ${outFeatures}, so PEFT cannot add it there: leave the layer out of the target modules`,
  );
}

/** W + scaling * B A, transposed where W is stored [in, out]. */
function mergedWeight({ layer, scaling }: LayerAdapter, { tensor, base }: Operands): Node {
  const { path, inFeatures, outFeatures } = layer;
  const { path: stored, fanInFanOut } = weightOf(layer);
  const [a, b] = [tensor(nameOfA(path)), tensor(nameOfB(path))];
  const weight = base(stored);
  const matrix = fanInFanOut ? [inFeatures, outFeatures] : [outFeatures, inFeatures];
  const options = { alpha: scaling, c: reshape(weight, matrix) };
  const sum = fanInFanOut ? matmul(a, b, { ...options, transposeA: true, transposeB: true }) : matmul(b, a, options);
  return reshape(sum, weight.shape);
}
