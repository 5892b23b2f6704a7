import { add, concat, matmul, mul, narrow, pad, reduce, reshape } from "../../../graph/build";
import type { Node } from "../../../graph/node";
import { activate } from "../activations";
import { ConfigError, Untraceable } from "../config";
import type { LayerCall, LayerKind } from "../layer";
import { channelsBack, channelsLast, offsets, paddingOf, requireRank, spread, type Window, windows } from "./spatial";

/**
 * Convolutions as matrix products over the windows' elements: each position of the kernel is one strided slice, so
 * every engine computes them, and their gradients, with products it has.
 */

function windowOf({ config }: LayerCall, rank: number): Window {
  const strides = config.counts("strides", rank, 1);
  const dilation = config.counts("dilation_rate", rank, 1);
  return { size: config.counts("kernel_size", rank, 1), strides, dilation, padding: config.text("padding", "valid") };
}

/** [..., in] times [in, out]. */
function project(x: Node, kernel: Node): Node {
  const [inner, out] = [kernel.shape[0]!, kernel.shape[1]!];
  return reshape(matmul(reshape(x, [-1, inner]), kernel), [...x.shape.slice(0, -1), out]);
}

function withBias(call: LayerCall, x: Node, filters: number): Node {
  return call.config.flag("use_bias", true) ? add(x, call.layer.weight("bias", [filters], "zeros")) : x;
}

function finish(call: LayerCall, y: Node, filters: number): Node {
  const biased = withBias(call, y, filters);
  return activate(channelsBack(biased, call.config), call.config.get("activation"), call.generation);
}

function convolution(rank: number): LayerKind {
  return (call) => {
    const { config, layer } = call;
    requireRank(call.inputs[0]!, rank + 2);
    const x = channelsLast(call.inputs[0]!, config);
    const window = windowOf(call, rank);
    const filters = config.count("filters");
    const groups = config.count("groups", 1);
    const channels = x.shape.at(-1)!;
    if (channels % groups !== 0 || filters % groups !== 0) {
      throw new ConfigError(`${groups} groups divide neither ${channels} channels nor ${filters} filters evenly`);
    }
    const perGroup = channels / groups;
    const kernel = layer.weight("kernel", [...window.size, perGroup, filters], "glorot_uniform");
    const seen = windows(x, window, 0);
    const axis = x.shape.length - 1;
    const flat = reshape(kernel, [seen.length * perGroup, filters]);
    const parts = Array.from({ length: groups }, (_, g) => {
      const own = groups === 1 ? seen : seen.map((s) => narrow(s, axis, g * perGroup, (g + 1) * perGroup));
      const share = filters / groups;
      return project(concat(own, axis), groups === 1 ? flat : narrow(flat, 1, g * share, (g + 1) * share));
    });
    return finish(call, concat(parts, axis), filters);
  };
}

/** Each channel with `multiplier` filters of its own: kernel [...size, channels, multiplier]. */
function depthwise(x: Node, kernel: Node, window: Window): Node {
  const [channels, multiplier] = [kernel.shape.at(-2)!, kernel.shape.at(-1)!];
  const seen = windows(x, window, 0);
  const flat = reshape(kernel, [seen.length, channels, multiplier]);
  const stacked = seen.map((s) => reshape(s, [...s.shape.slice(0, -1), 1, channels, 1]));
  const rank = stacked[0]!.shape.length;
  const products = mul(concat(stacked, rank - 3), flat);
  const summed = reduce("sum", products, [rank - 3], false);
  return reshape(summed, [...summed.shape.slice(0, -2), channels * multiplier]);
}

function depthwiseConvolution(rank: number): LayerKind {
  return (call) => {
    const { config, layer } = call;
    requireRank(call.inputs[0]!, rank + 2);
    const x = channelsLast(call.inputs[0]!, config);
    const window = windowOf(call, rank);
    const multiplier = config.count("depth_multiplier", 1);
    const channels = x.shape.at(-1)!;
    // Keras 2 and TensorFlow.js name it depthwise_kernel, Keras 3 kernel.
    const name = call.generation === 3 ? "kernel" : "depthwise_kernel";
    const role = "depthwise_initializer";
    const kernel = layer.weight(name, [...window.size, channels, multiplier], "glorot_uniform", { role });
    return finish(call, depthwise(x, kernel, window), channels * multiplier);
  };
}

function separableConvolution(rank: number): LayerKind {
  return (call) => {
    const { config, layer } = call;
    requireRank(call.inputs[0]!, rank + 2);
    const x = channelsLast(call.inputs[0]!, config);
    const window = windowOf(call, rank);
    const multiplier = config.count("depth_multiplier", 1);
    const filters = config.count("filters");
    const channels = x.shape.at(-1)!;
    const deep = layer.weight("depthwise_kernel", [...window.size, channels, multiplier], "glorot_uniform", {
      role: "depthwise_initializer",
    });
    const ones = new Array<number>(rank).fill(1);
    const point = layer.weight("pointwise_kernel", [...ones, channels * multiplier, filters], "glorot_uniform", {
      role: "pointwise_initializer",
    });
    const y = project(depthwise(x, deep, window), reshape(point, [channels * multiplier, filters]));
    return finish(call, y, filters);
  };
}

/** The gradient of a convolution: every input element spreads a kernel's worth of products over the output. */
function transposedConvolution(rank: number): LayerKind {
  return (call) => {
    const { config, layer } = call;
    requireRank(call.inputs[0]!, rank + 2);
    const x = channelsLast(call.inputs[0]!, config);
    const window = windowOf(call, rank);
    const { size, strides } = window;
    const filters = config.count("filters");
    const channels = x.shape.at(-1)!;
    const kernel = layer.weight("kernel", [...size, filters, channels], "glorot_uniform");
    if (config.get("output_padding") !== undefined && config.get("output_padding") !== null) {
      throw new Untraceable("output_padding is not supported");
    }
    if (window.dilation.some((d) => d !== 1))
      throw new Untraceable("a dilated transposed convolution is not supported");
    const same = window.padding === "same";
    const spatial = x.shape.slice(1, -1);
    const wide = spatial.map((n, i) => (n - 1) * strides[i]! + size[i]!);
    const out = spatial.map((n, i) => n * strides[i]! + (same ? 0 : Math.max(size[i]! - strides[i]!, 0)));
    // What the forward convolution would have padded is cut away; what it would not have reached is zero.
    const { before } = paddingOf(window, out);
    const room = wide.map((n, i) => Math.max(n, before[i]! + out[i]!));
    const flat = reshape(kernel, [-1, filters, channels]);
    const parts = offsets(size).map((offset, p) => {
      const weight = reshape(narrow(flat, 0, p, p + 1), [filters, channels]);
      const product = reshape(matmul(reshape(x, [-1, channels]), weight, { transposeB: true }), [
        ...x.shape.slice(0, -1),
        filters,
      ]);
      const apart = strides.reduce((y, stride, i) => spread(y, i + 1, stride), product);
      const after = room.map((n, i) => n - offset[i]! - apart.shape[i + 1]!);
      return pad(apart, [0, ...offset, 0], [0, ...after, 0]);
    });
    const summed = parts.reduce((a, b) => add(a, b));
    const cut = before.reduce((y, start, i) => narrow(y, i + 1, start, start + out[i]!), summed);
    return finish(call, cut, filters);
  };
}

export const CONVOLUTIONS: Readonly<Record<string, LayerKind>> = {
  Conv1D: convolution(1),
  Conv2D: convolution(2),
  Conv3D: convolution(3),
  Convolution1D: convolution(1),
  Convolution2D: convolution(2),
  DepthwiseConv1D: depthwiseConvolution(1),
  DepthwiseConv2D: depthwiseConvolution(2),
  SeparableConv1D: separableConvolution(1),
  SeparableConv2D: separableConvolution(2),
  Conv1DTranspose: transposedConvolution(1),
  Conv2DTranspose: transposedConvolution(2),
};
