import { binary, cast, reduce, reshape, scalar, unary } from "../../graph/build";
import type { Node } from "../../graph/node";
import type { Config } from "./config";
import { Untraceable } from "./config";

/**
 * Keras's masks of timesteps, made by Embedding(mask_zero=True) and Masking: [batch, steps], true where a step counts.
 * They ride on a layer's output to the next layers that look at them. `unclear`: there is one that is not followed.
 */
export type Mask = Node | "unclear";

/** Layers of Keras that hand their input's mask on (supports_masking) and do not look at it. */
const PASSING = new Set([
  ...["Dense", "EinsumDense", "Dropout", "SpatialDropout1D", "GaussianNoise", "GaussianDropout", "AlphaDropout"],
  ...["Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "ThresholdedReLU", "Identity", "ActivityRegularization"],
  ...["LayerNormalization", "BatchNormalization", "RMSNormalization", "UnitNormalization", "GroupNormalization"],
]);
/** Layers whose numbers depend on a mask that is not computed here. */
const LOOKING = new Set([
  "MultiHeadAttention",
  "Attention",
  "AdditiveAttention",
  "GroupedQueryAttention",
  "TimeDistributed",
  "Softmax",
]);
const JOINING = new Set(["Add", "Multiply", "Subtract", "Average", "Maximum", "Minimum", "Concatenate", "Dot"]);
const RECURRENT = new Set(["LSTM", "GRU", "SimpleRNN", "Bidirectional"]);

/** Refuses a layer that would have to look at a mask and does not. */
export function requireFollowed(className: string, mask: Mask | undefined): void {
  if (mask === undefined) return;
  const computed = RECURRENT.has(className) || className === "GlobalAveragePooling1D";
  if (LOOKING.has(className) || (computed && mask === "unclear")) {
    throw new Untraceable(
      "the mask of its input (mask_zero or a Masking layer) changes what it computes, which is not supported",
    );
  }
}

/** The mask of what a layer gives. */
export function maskAfter(
  className: string,
  config: Config,
  inputs: readonly Node[],
  mask: Mask | undefined,
): Mask | undefined {
  if (className === "Embedding") {
    const x = inputs[0]!;
    return config.flag("mask_zero", false) ? unary("not", binary("equal", x, scalar(0, x.dtype))) : undefined;
  }
  if (className === "Masking") return kept(inputs[0]!, config);
  if (mask === undefined) return undefined;
  if (PASSING.has(className)) return mask;
  if (RECURRENT.has(className)) {
    const sequence = config.flag("return_sequences", className === "Bidirectional");
    return sequence ? mask : undefined;
  }
  return JOINING.has(className) || LOOKING.has(className) ? "unclear" : undefined;
}

/** Masking(mask_value): a step counts unless all its features have that value. */
export function kept(x: Node, config: Config): Node {
  const other = unary("not", binary("equal", x, scalar(config.number("mask_value", 0), x.dtype)));
  return cast(reduce("max", cast(other, "int32"), [x.shape.length - 1], false), "bool");
}

/** The mask as a column beside the features. */
export function column(mask: Node): Node {
  return reshape(mask, [...mask.shape, 1]);
}
