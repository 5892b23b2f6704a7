import { add, binary, cast, constant, div, mul, reduce } from "../../../graph/build";
import type { Node } from "../../../graph/node";
import type { LayerKind } from "../layer";
import { column } from "../masks";
import { channelsBack, channelsLast, paddingOf, requireRank, spatialAxes, type Window, windows } from "./spatial";

/** Below every float32, so that padding never wins a maximum. */
const LOWEST = -3.4028234663852886e38;

function pooling(rank: number, op: "max" | "average"): LayerKind {
  return ({ inputs, config }) => {
    requireRank(inputs[0]!, rank + 2);
    const x = channelsLast(inputs[0]!, config);
    const size = config.counts("pool_size", rank, 2);
    const given = config.get("strides");
    const strides = given === undefined || given === null ? size : config.counts("strides", rank, 2);
    const window: Window = { size, strides, dilation: size.map(() => 1), padding: config.text("padding", "valid") };
    const seen = windows(x, window, op === "max" ? LOWEST : 0);
    if (op === "max")
      return channelsBack(
        seen.reduce((a, b) => binary("maximum", a, b)),
        config,
      );
    return channelsBack(
      div(
        seen.reduce((a, b) => add(a, b)),
        counts(x, window, seen[0]!),
      ),
      config,
    );
  };
}

/** How many elements that are no padding each window has: TensorFlow's averages leave padding out. */
function counts(x: Node, window: Window, out: Node): Node {
  const spatial = x.shape.slice(1, -1);
  const { before } = paddingOf(window, spatial);
  const perAxis = spatial.map((n, i) =>
    Array.from({ length: out.shape[i + 1]! }, (_, o) => {
      const start = o * window.strides[i]! - before[i]!;
      return Math.min(start + window.size[i]!, n) - Math.max(start, 0);
    }),
  );
  const all = perAxis.reduce<number[]>((left, right) => left.flatMap((a) => right.map((b) => a * b)), [1]);
  return constant(Float32Array.from(all), [1, ...out.shape.slice(1, -1), 1], "float32");
}

function globalPooling(rank: number, op: "max" | "mean"): LayerKind {
  return ({ inputs, config, mask }) => {
    requireRank(inputs[0]!, rank + 2);
    const x = channelsLast(inputs[0]!, config);
    const keep = config.flag("keepdims", false);
    if (mask && op === "mean" && rank === 1) {
      // The mean of the steps that count.
      const weights = cast(column(mask), x.dtype);
      const sum = reduce("sum", mul(x, weights), [1], keep);
      const mean = div(sum, reduce("sum", weights, [1], keep));
      return keep ? channelsBack(mean, config) : mean;
    }
    const pooled = reduce(op, x, spatialAxes(x), keep);
    return keep ? channelsBack(pooled, config) : pooled;
  };
}

export const POOLINGS: Readonly<Record<string, LayerKind>> = {
  ...Object.fromEntries(
    [1, 2, 3].flatMap((rank) => [
      [`MaxPooling${rank}D`, pooling(rank, "max")],
      [`MaxPool${rank}D`, pooling(rank, "max")],
      [`AveragePooling${rank}D`, pooling(rank, "average")],
      [`AvgPool${rank}D`, pooling(rank, "average")],
      [`GlobalMaxPooling${rank}D`, globalPooling(rank, "max")],
      [`GlobalMaxPool${rank}D`, globalPooling(rank, "max")],
      [`GlobalAveragePooling${rank}D`, globalPooling(rank, "mean")],
      [`GlobalAvgPool${rank}D`, globalPooling(rank, "mean")],
    ]),
  ),
};
