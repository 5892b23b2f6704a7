import { add, div, layerNorm, mul, reduce, reshape, scalar, sub, unary } from "../../../graph/build";
import type { Node } from "../../../graph/node";
import { normalizeAxis } from "../../../graph/shapes";
import { moments } from "../activations";
import { type Config, ConfigError, Untraceable } from "../config";
import { ZEROS } from "../initializers";
import { isJsonArray } from "../json";
import type { LayerKind } from "../layer";

/** `axis` as one or several, -1 by default; Keras 2 writes a list also for one. */
function axesOf(config: Config, rank: number): number[] {
  const stated = config.get("axis") ?? -1;
  const list = isJsonArray(stated) ? stated : [stated];
  return list.map((axis) => {
    if (typeof axis !== "number") throw new ConfigError("axis must be a number");
    return normalizeAxis(axis, rank);
  });
}

/** A vector along one axis of x. */
function along(vector: Node, x: Node, axis: number): Node {
  return reshape(
    vector,
    x.shape.map((d, i) => (i === axis ? d : 1)),
  );
}

const rsqrt = (variance: Node, epsilon: number): Node =>
  unary("reciprocal", unary("sqrt", add(variance, scalar(epsilon))));

/** With the moving statistics, as in inference: the base stays frozen, also while an adapter is trained. */
const batchNormalization: LayerKind = ({ layer, config, inputs }) => {
  const x = inputs[0]!;
  const [axis, ...more] = axesOf(config, x.shape.length);
  if (axis === undefined || more.length > 0) throw new Untraceable("more than one axis is not supported", x.shape);
  const shape = [x.shape[axis]!];
  const gamma = config.flag("scale", true) ? layer.weight("gamma", shape, "ones") : undefined;
  const beta = config.flag("center", true) ? layer.weight("beta", shape, "zeros") : undefined;
  const mean = layer.weight("moving_mean", shape, "zeros", { buffer: true });
  const variance = layer.weight("moving_variance", shape, "ones", { buffer: true });
  const inverse = rsqrt(variance, config.number("epsilon", 1e-3));
  const y = mul(sub(x, along(mean, x, axis)), along(gamma ? mul(inverse, gamma) : inverse, x, axis));
  return beta ? add(y, along(beta, x, axis)) : y;
};

const layerNormalization: LayerKind = ({ layer, config, inputs }) => {
  const x = inputs[0]!;
  const rank = x.shape.length;
  const axes = [...axesOf(config, rank)].sort((p, q) => p - q);
  const first = rank - axes.length;
  if (axes.some((axis, i) => axis !== first + i)) {
    throw new Untraceable("only the last axes can be normalized over", x.shape);
  }
  const shape = x.shape.slice(first);
  const gamma = config.flag("scale", true) ? layer.weight("gamma", shape, "ones") : undefined;
  const beta = config.flag("center", true) ? layer.weight("beta", shape, "zeros") : undefined;
  const epsilon = config.number("epsilon", 1e-3);
  if (config.flag("rms_scaling", false)) {
    const square = reduce("mean", mul(x, x), axes, true);
    return scaled(mul(x, rsqrt(square, epsilon)), gamma);
  }
  if (beta && !gamma) return add(layerNorm(x, axes.length, epsilon), beta);
  return layerNorm(x, axes.length, epsilon, gamma, beta);
};

const rmsNormalization: LayerKind = ({ layer, config, inputs }) => {
  const x = inputs[0]!;
  const axes = axesOf(config, x.shape.length);
  const [axis] = axes;
  if (axes.length !== 1 || axis !== x.shape.length - 1) {
    throw new Untraceable("only the last axis can be normalized over", x.shape);
  }
  const scale = layer.weight("scale", [x.shape[axis]!], "ones");
  const square = reduce("mean", mul(x, x), [axis], true);
  return scaled(mul(x, rsqrt(square, config.number("epsilon", 1e-6))), scale);
};

function scaled(x: Node, scale: Node | undefined): Node {
  return scale ? mul(x, scale) : x;
}

const groupNormalization: LayerKind = ({ layer, config, inputs }) => {
  const x = inputs[0]!;
  const [axis] = axesOf(config, x.shape.length);
  if (axis !== x.shape.length - 1) throw new Untraceable("only channels that come last are supported", x.shape);
  const channels = x.shape[axis]!;
  const stated = config.number("groups", 32);
  const groups = stated === -1 ? channels : stated;
  if (!Number.isInteger(groups) || groups < 1 || channels % groups !== 0) {
    throw new ConfigError(`${groups} groups do not divide ${channels} channels evenly`);
  }
  const gamma = config.flag("scale", true) ? layer.weight("gamma", [channels], "ones") : undefined;
  const beta = config.flag("center", true) ? layer.weight("beta", [channels], "zeros") : undefined;
  const split = reshape(x, [x.shape[0]!, -1, groups, channels / groups]);
  const { mean, variance } = moments(split, [1, 3]);
  const y = scaled(reshape(mul(sub(split, mean), rsqrt(variance, config.number("epsilon", 1e-3))), x.shape), gamma);
  return beta ? add(y, beta) : y;
};

/** Preprocessing by a mean and a variance that were adapted to data. */
const normalization: LayerKind = ({ layer, config, inputs }) => {
  const x = inputs[0]!;
  const [axis, ...more] = axesOf(config, x.shape.length);
  if (axis === undefined || more.length > 0) throw new Untraceable("more than one axis is not supported", x.shape);
  if (config.get("mean") !== undefined && config.get("mean") !== null) {
    throw new Untraceable("a mean stated in the configuration is not supported", x.shape);
  }
  const shape = [x.shape[axis]!];
  const mean = layer.weight("mean", shape, ZEROS, { buffer: true });
  const variance = layer.weight("variance", shape, "ones", { buffer: true });
  layer.weight("count", [], ZEROS, { buffer: true });
  return div(sub(x, along(mean, x, axis)), unary("sqrt", along(variance, x, axis)));
};

export const NORMALIZATIONS: Readonly<Record<string, LayerKind>> = {
  BatchNormalization: batchNormalization,
  BatchNormalizationV1: batchNormalization,
  BatchNormalizationV2: batchNormalization,
  LayerNormalization: layerNormalization,
  RMSNormalization: rmsNormalization,
  GroupNormalization: groupNormalization,
  Normalization: normalization,
};
