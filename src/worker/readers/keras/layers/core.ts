import {
  add,
  binary,
  cast,
  dropout,
  full,
  gather,
  matmul,
  mul,
  reduce,
  reshape,
  scalar,
  softmax,
  unary,
} from "../../../graph/build";
import { einsum } from "../../../graph/einsum";
import { Node } from "../../../graph/node";
import { normalizeAxis } from "../../../graph/shapes";
import { activate, elu, leakyRelu } from "../activations";
import { ConfigError, Untraceable } from "../config";
import { isJsonArray, type Json } from "../json";
import type { LayerCall, LayerKind } from "../layer";
import { column, kept } from "../masks";
import { isChannelsFirst } from "./spatial";

/** Dense layers, embeddings, activations as layers, and what passes its input on. */

const only = ({ inputs }: LayerCall): Node => inputs[0]!;

const dense: LayerKind = (call) => {
  const { layer, config } = call;
  const x = only(call);
  const units = config.count("units");
  const inFeatures = x.shape.at(-1);
  if (x.shape.length < 2 || inFeatures === undefined)
    throw new ConfigError("it takes an input of 2 dimensions or more");
  const bias = config.flag("use_bias", true);
  layer.features = { inFeatures, outFeatures: units, bias };
  const kernel = layer.weight("kernel", [inFeatures, units], "glorot_uniform");
  const y = projected(x, kernel, bias ? layer.weight("bias", [units], "zeros") : undefined, 1);
  return activate(y, config.get("activation"), call.generation);
};

/**
 * x's last `contracted` axes times the kernel's first ones: a matrix product with the kernel seen as [in, out], which
 * is how adapters find it. The bias has the output's own axes.
 */
export function projected(x: Node, kernel: Node, bias: Node | undefined, contracted: number): Node {
  const product = (dims: readonly number[]) => dims.reduce((n, d) => n * d, 1);
  const inFeatures = product(kernel.shape.slice(0, contracted));
  const out = kernel.shape.slice(contracted);
  const lead = x.shape.slice(0, x.shape.length - contracted);
  const flat = reshape(x, [...lead, inFeatures]);
  const y = matmul(flat, reshape(kernel, [inFeatures, product(out)]), {
    ...(bias && { c: reshape(bias, [product(out)]) }),
  });
  return reshape(y, [...lead, ...out]);
}

/** An EinsumDense whose equation contracts the input's last axes with the kernel's first is a Dense layer. */
const einsumDense: LayerKind = (call) => {
  const { layer, config } = call;
  const x = only(call);
  const equation = config.text("equation", "").replaceAll(" ", "");
  const match = /^(\.\.\.)?([a-zA-Z]+),([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)$/.exec(equation);
  if (!match || match[1] !== match[4]) throw new Untraceable(`the equation "${equation}" is not supported`);
  const [, dots, input, kernelLabels, , output] = match as unknown as string[];
  const stated = config.get("output_shape");
  const outDims = isJsonArray(stated) ? stated : stated === undefined ? [] : [stated];
  const sizes = labelSizes(x, input!, output!, outDims, dots !== undefined);
  const kernelShape = [...kernelLabels!].map((label) => {
    const size = sizes.get(label);
    if (size === undefined) throw new ConfigError(`the size of axis ${label} of its kernel is not stated`);
    return size;
  });
  const contracted = [...kernelLabels!].filter((label) => input!.includes(label) && !output!.includes(label));
  const kernel = layer.weight("kernel", kernelShape, "glorot_uniform");
  const biasAxes = config.text("bias_axes", "");
  const isDense =
    kernelLabels!.startsWith(contracted.join("")) &&
    input!.endsWith(contracted.join("")) &&
    output! === input!.slice(0, input!.length - contracted.length) + kernelLabels!.slice(contracted.length);
  let y: Node;
  if (isDense && contracted.length > 0) {
    const size = (dims: readonly number[]) => dims.reduce((n, d) => n * d, 1);
    const inFeatures = size(kernelShape.slice(0, contracted.length));
    const outFeatures = size(kernelShape.slice(contracted.length));
    layer.features = { inFeatures, outFeatures, bias: biasAxes !== "" };
    y = projected(x, kernel, undefined, contracted.length);
  } else {
    y = einsum(equation, [x, kernel]);
  }
  if (biasAxes !== "") {
    const first = Math.min(...[...biasAxes].map((label) => output!.indexOf(label)));
    if (first < 0) throw new ConfigError(`bias_axes "${biasAxes}" are not all axes of the output "${output}"`);
    const axes = [...output!].slice(first);
    const offset = y.shape.length - output!.length + first;
    const shape = axes.map((label, i) => (biasAxes.includes(label) ? y.shape[offset + i]! : 1));
    y = add(y, layer.weight("bias", shape, "zeros"));
  }
  return activate(y, config.get("activation"), call.generation);
};

function labelSizes(
  x: Node,
  input: string,
  output: string,
  outDims: readonly Json[],
  dots: boolean,
): Map<string, number> {
  const sizes = new Map<string, number>();
  if (x.shape.length < input.length || (!dots && x.shape.length !== input.length)) {
    throw new ConfigError(`its equation takes ${input.length} dimensions; the input has ${x.shape.length}`);
  }
  // The stated output shape lacks the batch, and may lack what the dots stand for: it is read from the end.
  [...output].forEach((label, i) => {
    const dim = outDims[outDims.length - output.length + i];
    if (typeof dim === "number" && dim > 0) sizes.set(label, dim);
  });
  [...input].forEach((label, i) => {
    sizes.set(label, x.shape[x.shape.length - input.length + i]!);
  });
  return sizes;
}

const embedding: LayerKind = (call) => {
  const { layer, config } = call;
  const table = layer.weight("embeddings", [config.count("input_dim"), config.count("output_dim")], "random_uniform");
  const x = only(call);
  return gather(table, x.dtype === "int32" || x.dtype === "int64" ? x : cast(x, "int64"), 0);
};

const dropoutLayer: LayerKind = (call) => {
  const rate = call.config.number("rate", 0);
  if (!(rate >= 0 && rate < 1)) throw new ConfigError(`a dropout rate of ${rate} is not between 0 and 1`);
  return call.training ? dropout(only(call), rate) : only(call);
};

/** It drops whole channels: one draw of the mask for each. */
const spatialDropout: LayerKind = (call) => {
  const x = only(call);
  const rate = call.config.number("rate", 0);
  if (!(rate >= 0 && rate < 1)) throw new ConfigError(`a dropout rate of ${rate} is not between 0 and 1`);
  if (!call.training || rate === 0) return x;
  const channels = isChannelsFirst(call.config) ? 1 : x.shape.length - 1;
  const shape = x.shape.map((d, axis) => (axis === 0 || axis === channels ? d : 1));
  return mul(x, dropout(full(1, shape, x.dtype), rate));
};

/** Noise is for training, where dropout's masks are the only random numbers there are. */
const noise =
  (strength: string): LayerKind =>
  (call) => {
    const x = only(call);
    if (!call.training || call.config.number(strength, 0) === 0) return x;
    throw new Untraceable("its noise in training is not supported; at inference it passes its input on", x.shape);
  };

const masking: LayerKind = (call) => mul(only(call), cast(column(kept(only(call), call.config)), only(call).dtype));

const relu: LayerKind = (call) => {
  const { config } = call;
  const x = only(call);
  const slope = config.number("negative_slope", 0);
  const threshold = config.number("threshold", 0);
  if (threshold !== 0) throw new Untraceable("a ReLU with a threshold is not supported", x.shape);
  const y = leakyRelu(x, scalar(slope));
  const most = config.get("max_value");
  return typeof most === "number" ? binary("minimum", y, scalar(most)) : y;
};

const prelu: LayerKind = (call) => {
  const x = only(call);
  const shared = call.config.get("shared_axes");
  const axes = isJsonArray(shared) ? shared : typeof shared === "number" ? [shared] : [];
  const shape = x.shape.slice(1).map((d, i) => (axes.includes(i + 1) ? 1 : d));
  return leakyRelu(x, call.layer.weight("alpha", shape, "zeros"));
};

const softmaxLayer: LayerKind = (call) => {
  const x = only(call);
  const axis = call.config.get("axis");
  if (isJsonArray(axis) && axis.length > 1)
    throw new Untraceable("a softmax over several axes is not supported", x.shape);
  const one = isJsonArray(axis) ? axis[0] : axis;
  return softmax(x, normalizeAxis(typeof one === "number" ? one : -1, x.shape.length));
};

const rescaling: LayerKind = (call) => {
  const { config } = call;
  const scaled = mul(cast(only(call), "float32"), scalar(config.number("scale", 1)));
  return add(scaled, scalar(config.number("offset", 0)));
};

const same: LayerKind = (call) => only(call);

/** Keras 3 operations written as functions: `x + y` in a functional model. */
const arithmetic =
  (op: "add" | "sub" | "mul" | "div"): LayerKind =>
  (call) => {
    const [a, b] = call.inputs;
    if (!a || !b) throw new Untraceable("an operand is neither a tensor nor a number");
    return binary(op, a, b);
  };

/** Keras 3 writes how it computes a mask: `not_equal(tokens, 0)`, and of a Masking layer `any(..., axis=-1)`. */
function equality(call: LayerCall): Node {
  const [a, b] = call.inputs;
  if (!a || !b) throw new Untraceable("an operand is neither a tensor nor a number");
  return binary("equal", a, cast(b, a.dtype));
}

const any: LayerKind = (call) => {
  const x = only(call);
  const given = call.kwargs.get("axis");
  const stated = given && !(given instanceof Node) && "literal" in given ? given.literal : call.config.get("axis");
  const listed = isJsonArray(stated)
    ? stated
    : stated === undefined || stated === null
      ? x.shape.map((_, i) => i)
      : [stated];
  const axes = listed.map((axis) => {
    if (typeof axis !== "number") throw new ConfigError("axis must be a number");
    return normalizeAxis(axis, x.shape.length);
  });
  return cast(reduce("max", cast(cast(x, "bool"), "int32"), axes, call.config.flag("keepdims", false)), "bool");
};

export const CORE: Readonly<Record<string, LayerKind>> = {
  Dense: dense,
  EinsumDense: einsumDense,
  Embedding: embedding,
  Dropout: dropoutLayer,
  SpatialDropout1D: spatialDropout,
  SpatialDropout2D: spatialDropout,
  SpatialDropout3D: spatialDropout,
  Activation: (call) => activate(only(call), call.config.get("activation"), call.generation),
  ReLU: relu,
  LeakyReLU: (call) =>
    leakyRelu(only(call), scalar(call.config.number("negative_slope", call.config.number("alpha", 0.3)))),
  PReLU: prelu,
  ELU: (call) => elu(only(call), call.config.number("alpha", 1)),
  ThresholdedReLU: (call) => {
    const x = only(call);
    const above = cast(binary("less", scalar(call.config.number("theta", 1)), x), x.dtype);
    return mul(x, above);
  },
  Softmax: softmaxLayer,
  Rescaling: rescaling,
  InputLayer: same,
  Identity: same,
  ActivityRegularization: same,
  GaussianNoise: noise("stddev"),
  GaussianDropout: noise("rate"),
  AlphaDropout: noise("rate"),
  Masking: masking,
};

/** By class name within `keras.src.ops`. */
export const FUNCTIONS: Readonly<Record<string, LayerKind>> = {
  Add: arithmetic("add"),
  Subtract: arithmetic("sub"),
  Multiply: arithmetic("mul"),
  Divide: arithmetic("div"),
  TrueDivide: arithmetic("div"),
  Equal: (call) => equality(call),
  NotEqual: (call) => unary("not", equality(call)),
  Any: any,
};
