import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { shapeText } from "../../../../../graph/shapes";
import { EvaluationError } from "../../../values/unknown";
import { type BoundArgs, PyError, type Runtime } from "../../../values/values";
import { intArg, numberArg, optionalTensor } from "../registry/arguments";
import { define, nodeArg } from "../registry/table";
import { listableTensors } from "../tensor/listable";
import { nodeOf } from "../tensor/tensor";
import { requireFloating, scale, shift, widely } from "./arithmetic";

/** Normalization over channels (dimension 1), of torch.nn.functional. */

/** A vector of channels, aligned with dimension 1 of `x`. */
function lane(x: Node, vector: Node): Node {
  return build.reshape(vector, [1, vector.shape[0]!, ...x.shape.slice(2).map(() => 1)]);
}

function affine(x: Node, weight: Node | undefined, bias: Node | undefined): Node {
  const scaled = weight ? build.mul(x, lane(x, weight)) : x;
  return bias ? build.add(scaled, lane(x, bias)) : scaled;
}

function requireChannels(x: Node, vector: Node | undefined, name: string): void {
  if (x.shape.length < 2)
    throw new PyError("RuntimeError", `expected at least 2D input (got ${x.shape.length}D input)`);
  if (vector && vector.shape[0] !== x.shape[1]) {
    throw new PyError("RuntimeError", `${name} should contain ${x.shape[1]} elements not ${vector.shape[0]}`);
  }
}

/** (x - mean) / sqrt(var + eps) by channel, with stored statistics. */
export function batchNorm(x: Node, mean: Node, variance: Node, eps: number, weight?: Node, bias?: Node): Node {
  requireFloating(x, "batch_norm");
  requireChannels(x, mean, "running_mean");
  const deviation = build.unary("sqrt", build.add(variance, build.scalar(eps, variance.dtype)));
  return widely(x, (wide) => {
    const as = (n: Node): Node => build.cast(n, wide.dtype);
    const centered = build.sub(wide, lane(x, as(mean)));
    return affine(build.div(centered, lane(x, as(deviation))), weight && as(weight), bias && as(bias));
  });
}

/** With the batch's own statistics; the variance is the biased one. */
export function batchNormOfBatch(x: Node, eps: number, weight?: Node, bias?: Node): Node {
  requireFloating(x, "batch_norm");
  requireChannels(x, weight, "weight");
  const axes = x.shape.flatMap((_, i) => (i === 1 ? [] : [i]));
  if (axes.reduce((n, a) => n * x.shape[a]!, 1) === 1) {
    throw new PyError(
      "ValueError",
      `Expected more than 1 value per channel when training, got input size torch.Size(${shapeText(x.shape)})`,
    );
  }
  const centered = build.sub(x, build.reduce("mean", x, axes, true));
  const variance = build.reduce("mean", build.mul(centered, centered), axes, true);
  const deviation = build.unary("sqrt", build.add(variance, build.scalar(eps, x.dtype)));
  return affine(build.div(centered, deviation), weight, bias);
}

/** Each sample's channels in `groups` groups, normalized together over all their positions. */
export function groupNorm(x: Node, groups: number, eps: number, weight?: Node, bias?: Node): Node {
  requireFloating(x, "group_norm");
  requireChannels(x, weight, "weight");
  const [batch, channels] = x.shape as [number, number];
  if (channels % groups !== 0) {
    throw new PyError(
      "RuntimeError",
      `Expected number of channels in input to be divisible by num_groups, but got input of shape ${shapeText(x.shape)} and num_groups=${groups}`,
    );
  }
  const rows = build.reshape(x, [batch, groups, -1]);
  return affine(build.reshape(build.layerNorm(rows, 1, eps), x.shape), weight, bias);
}

/** Each channel of each sample by itself: a group norm with a group for each channel. */
export function instanceNorm(x: Node, eps: number, weight?: Node, bias?: Node): Node {
  if (x.shape.length < 3 || x.shape.slice(2).reduce((n, d) => n * d, 1) === 1) {
    throw new PyError(
      "ValueError",
      `Expected more than 1 spatial element when training, got input size torch.Size(${shapeText(x.shape)})`,
    );
  }
  return groupNorm(x, x.shape[1]!, eps, weight, bias);
}

const optional = (args: BoundArgs, name: string, runtime: Runtime): Node | undefined => {
  const tensor = optionalTensor(args, name);
  return tensor && nodeOf(tensor, runtime);
};
define(
  ["F"],
  "batch_norm",
  "input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-05",
  (args, runtime) => {
    const x = nodeArg(args, "input", runtime);
    const [weight, bias] = [optional(args, "weight", runtime), optional(args, "bias", runtime)];
    const [mean, variance] = [optional(args, "running_mean", runtime), optional(args, "running_var", runtime)];
    const eps = numberArg(args, "eps");
    if (args.training === true || !mean || !variance) return batchNormOfBatch(x, eps, weight, bias);
    return batchNorm(x, mean, variance, eps, weight, bias);
  },
);
define(["F", "torch"], "group_norm", "input, num_groups, weight=None, bias=None, eps=1e-05", (args, runtime) =>
  groupNorm(
    nodeArg(args, "input", runtime),
    intArg(args, "num_groups"),
    numberArg(args, "eps"),
    optional(args, "weight", runtime),
    optional(args, "bias", runtime),
  ),
);
define(
  ["F"],
  "instance_norm",
  "input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-05",
  (args, runtime) => {
    if (args.use_input_stats === false) {
      throw new EvaluationError("instance_norm with running statistics is not supported", runtime.place);
    }
    return instanceNorm(
      nodeArg(args, "input", runtime),
      numberArg(args, "eps"),
      optional(args, "weight", runtime),
      optional(args, "bias", runtime),
    );
  },
);

/** x / (k + alpha * mean of the squares of `size` channels around)^beta. */
export function localResponseNorm(x: Node, size: number, alpha: number, beta: number, k: number): Node {
  if (x.shape.length < 3) {
    throw new PyError("ValueError", `Expected 3D or higher dimensionality input (got ${x.shape.length} dimensions)`);
  }
  const [before, after] = [Math.floor(size / 2), Math.floor((size - 1) / 2)];
  const channels = x.shape[1]!;
  const padded = build.pad(
    build.mul(x, x),
    x.shape.map((_, i) => (i === 1 ? before : 0)),
    x.shape.map((_, i) => (i === 1 ? after : 0)),
  );
  const parts = Array.from({ length: listableTensors(size) }, (_, i) => build.narrow(padded, 1, i, i + channels));
  const mean = scale(parts.reduce(build.add), 1 / size);
  return build.div(x, build.binary("pow", shift(scale(mean, alpha), k), build.scalar(beta, x.dtype)));
}
define(["F"], "local_response_norm", "input, size, alpha=0.0001, beta=0.75, k=1.0", (args, runtime) =>
  localResponseNorm(
    nodeArg(args, "input", runtime),
    intArg(args, "size"),
    numberArg(args, "alpha"),
    numberArg(args, "beta"),
    numberArg(args, "k"),
  ),
);
