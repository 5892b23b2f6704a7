import { expand, narrow, pad, reshape, transpose } from "../../../graph/build";
import type { Node } from "../../../graph/node";
import { ConfigError, Untraceable } from "../config";
import { isJsonArray, type Json } from "../json";
import type { LayerKind } from "../layer";
import { channelsBack, channelsLast, requireRank } from "./spatial";

/** Layers that move elements and compute nothing. */

const MAX_ELEMENTS = 2 ** 31;

const flatten: LayerKind = ({ inputs, config }) => {
  const x = channelsLast(inputs[0]!, config);
  return reshape(x, [x.shape[0]!, x.shape.slice(1).reduce((n, d) => n * d, 1)]);
};

const reshaping: LayerKind = ({ inputs, config }) => {
  const target = config.dims("target_shape");
  if (!target) throw new ConfigError("target_shape must be a list of dimensions");
  return reshape(inputs[0]!, [inputs[0]!.shape[0]!, ...target.map((d) => d ?? -1)]);
};

const permute: LayerKind = ({ inputs, config }) => {
  const dims = config.get("dims");
  if (!isJsonArray(dims) || !dims.every((d) => typeof d === "number"))
    throw new ConfigError("dims must be a list of axes");
  return transpose(inputs[0]!, [0, ...dims]);
};

const repeat: LayerKind = ({ inputs, config }) => {
  const x = inputs[0]!;
  requireRank(x, 2);
  const n = config.count("n");
  return expand(reshape(x, [x.shape[0]!, 1, x.shape[1]!]), [x.shape[0]!, n, x.shape[1]!]);
};

/** [before, after] of each spatial axis: one number, one an axis, or a pair an axis. */
function sides(value: Json | undefined, rank: number, what: string): [number, number][] {
  const isSize = (n: Json | undefined): n is number =>
    typeof n === "number" && Number.isInteger(n) && n >= 0 && n < 2 ** 24;
  const pair = (entry: Json | undefined): [number, number] => {
    if (isSize(entry)) return [entry, entry];
    if (isJsonArray(entry) && entry.length === 2 && isSize(entry[0]) && isSize(entry[1])) return [entry[0], entry[1]];
    throw new ConfigError(`${what} must be whole numbers of 0 or more`);
  };
  if (rank === 1) return [pair(value)];
  const list = isJsonArray(value) ? value : new Array<Json>(rank).fill(value ?? 1);
  if (list.length !== rank) throw new ConfigError(`${what} must have an entry for each of ${rank} axes`);
  return list.map(pair);
}

const padding =
  (rank: number): LayerKind =>
  ({ inputs, config }) => {
    requireRank(inputs[0]!, rank + 2);
    const x = channelsLast(inputs[0]!, config);
    const amount = sides(config.get("padding") ?? 1, rank, "padding");
    const padded = pad(x, [0, ...amount.map(([b]) => b), 0], [0, ...amount.map(([, a]) => a), 0]);
    return channelsBack(padded, config);
  };

const cropping =
  (rank: number): LayerKind =>
  ({ inputs, config }) => {
    requireRank(inputs[0]!, rank + 2);
    const x = channelsLast(inputs[0]!, config);
    const cut = sides(config.get("cropping") ?? (rank === 1 ? 1 : 0), rank, "cropping").reduce(
      (y, [before, after], i) => {
        const length = y.shape[i + 1]!;
        if (before + after >= length) throw new ConfigError(`it crops all of the ${length} elements of an axis`);
        return narrow(y, i + 1, before, length - after);
      },
      x,
    );
    return channelsBack(cut, config);
  };

/** Nearest neighbor repeats elements; bilinear weighs them and is not supported. */
const upSampling =
  (rank: number): LayerKind =>
  ({ inputs, config }) => {
    requireRank(inputs[0]!, rank + 2);
    const method = config.text("interpolation", "nearest");
    const x = channelsLast(inputs[0]!, config);
    const size = config.counts("size", rank, 2);
    const shape = x.shape.map((d, i) => (i > 0 && i <= rank ? d * size[i - 1]! : d));
    if (shape.reduce((n, d) => n * d, 1) > MAX_ELEMENTS) throw new ConfigError("its output is too large to exist");
    if (method !== "nearest") throw new Untraceable(`"${method}" interpolation is not supported`, shape);
    return channelsBack(
      size.reduce((y, times, i) => repeatAxis(y, i + 1, times), x),
      config,
    );
  };

function repeatAxis(x: Node, axis: number, times: number): Node {
  if (times === 1) return x;
  const split = reshape(x, [...x.shape.slice(0, axis + 1), 1, ...x.shape.slice(axis + 1)]);
  const wide = expand(
    split,
    split.shape.map((d, i) => (i === axis + 1 ? times : d)),
  );
  return reshape(
    wide,
    x.shape.map((d, i) => (i === axis ? d * times : d)),
  );
}

export const RESHAPINGS: Readonly<Record<string, LayerKind>> = {
  Flatten: flatten,
  Reshape: reshaping,
  Permute: permute,
  RepeatVector: repeat,
  ZeroPadding1D: padding(1),
  ZeroPadding2D: padding(2),
  ZeroPadding3D: padding(3),
  Cropping1D: cropping(1),
  Cropping2D: cropping(2),
  Cropping3D: cropping(3),
  UpSampling1D: upSampling(1),
  UpSampling2D: upSampling(2),
  UpSampling3D: upSampling(3),
};
