import { isFloating } from "../../../../../formats/dtype";
import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { shapeText } from "../../../../../graph/shapes";
import { EvaluationError } from "../../../values/unknown";
import { PyError, type PyTensor, type Runtime } from "../../../values/values";
import { intArg, intsOf, numberArg, optionalNumber, optionalTensor } from "../registry/arguments";
import { define, nodeArg } from "../registry/table";
import { nodeOf, scalarTypeName } from "../tensor/tensor";
import { requireFloating, widely } from "./arithmetic";
import { rootMeanSquareInverse } from "./reductions";

/** Normalization and embedding of torch.nn.functional. */

function fits(x: Node, normalized: readonly number[], what: string): void {
  const tail = x.shape.slice(x.shape.length - normalized.length);
  if (normalized.length > x.shape.length || tail.some((d, i) => d !== normalized[i])) {
    throw new PyError(
      "RuntimeError",
      `Given normalized_shape=${shapeText(normalized)}, expected input with shape [*, ${normalized.join(", ")}], but got input of size${shapeText(x.shape)}${what}`,
    );
  }
}

export function layerNorm(x: Node, normalized: readonly number[], eps: number, weight?: Node, bias?: Node): Node {
  requireFloating(x, "LayerNormKernelImpl");
  fits(x, normalized, "");
  if (bias && !weight) return build.add(build.layerNorm(x, normalized.length, eps), bias);
  return build.layerNorm(x, normalized.length, eps, weight, bias);
}

/** eps of None is the dtype's machine epsilon. */
export function rmsNorm(x: Node, normalized: readonly number[], eps: number | undefined, weight?: Node): Node {
  requireFloating(x, "rms_norm");
  fits(x, normalized, "");
  const axes = normalized.map((_, i) => x.shape.length - normalized.length + i);
  const least = eps ?? EPSILON[x.dtype] ?? EPSILON.float32!;
  return widely(x, (wide) => {
    const y = build.mul(wide, rootMeanSquareInverse(wide, axes, least));
    return weight ? build.mul(y, build.cast(weight, y.dtype)) : y;
  });
}

/** Distance from 1 to the next number, as torch.finfo(...).eps gives it. */
export const EPSILON: Readonly<Record<string, number>> = {
  float16: 2 ** -10,
  bfloat16: 2 ** -7,
  float32: 2 ** -23,
  float64: 2 ** -52,
};

function optionalNode(tensor: PyTensor | undefined, runtime: Runtime): Node | undefined {
  return tensor && nodeOf(tensor, runtime);
}

define(["F"], "layer_norm", "input, normalized_shape, weight=None, bias=None, eps=1e-5", (args, runtime) =>
  layerNorm(
    nodeArg(args, "input", runtime),
    intsOf(args.normalized_shape, "normalized_shape"),
    numberArg(args, "eps"),
    optionalNode(optionalTensor(args, "weight"), runtime),
    optionalNode(optionalTensor(args, "bias"), runtime),
  ),
);
define(["F"], "rms_norm", "input, normalized_shape, weight=None, eps=None", (args, runtime) =>
  rmsNorm(
    nodeArg(args, "input", runtime),
    intsOf(args.normalized_shape, "normalized_shape"),
    optionalNumber(args, "eps"),
    optionalNode(optionalTensor(args, "weight"), runtime),
  ),
);

export function embedding(indices: Node, weight: Node): Node {
  if (indices.dtype !== "int64" && indices.dtype !== "int32") {
    throw new PyError(
      "RuntimeError",
      `Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got torch.${scalarTypeName(indices.dtype)}Tensor instead (while checking arguments for embedding)`,
    );
  }
  if (weight.shape.length !== 2) throw new PyError("RuntimeError", "'weight' must be 2-D");
  return build.gather(weight, indices, 0);
}
define(["F"], "one_hot", "tensor, num_classes=-1", (args, runtime) => {
  const x = nodeArg(args, "tensor", runtime);
  if (isFloating(x.dtype))
    throw new PyError("RuntimeError", "one_hot is only applicable to index tensor of type LongTensor.");
  const classes = intArg(args, "num_classes");
  if (classes < 0) {
    throw new EvaluationError("one_hot needs num_classes here: without it the result's shape depends on the values");
  }
  const labels = build.arange(classes, x.dtype);
  return build.cast(build.binary("equal", build.reshape(x, [...x.shape, 1]), labels), "int64");
});
