import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { adaptivePool } from "../../../../../graph/pooling";
import { shapeText } from "../../../../../graph/shapes";
import { PyError, type Value } from "../../../values/values";
import { given, intArg, intsOf, isNumber, numberOf, sequenceOf, stringArg } from "../registry/arguments";
import { define, nodeArg } from "../registry/table";
import { listable } from "../tensor/listable";
import { cubicAxis, smoothAxis } from "./resampling";

/** Resizing and rearranging of images: [N, C, ...spatial]. */

export interface Resize {
  readonly size: Value | undefined;
  readonly factors: readonly number[] | undefined;
  readonly mode: string;
  readonly alignCorners: boolean;
  readonly antialias?: boolean;
  /** Sizes are taken from the factors, and the ratios from the sizes. */
  readonly recomputes?: boolean;
}

/**
 * F.interpolate. nearest takes element floor(i d / n); linear, bilinear and trilinear weigh the two neighbors along each
 * axis, with pixel centers at i + 0.5 unless corners are aligned. With scale factors the ratio is the factor itself.
 */
export function interpolate(x: Node, options: Resize): Node {
  const rank = x.shape.length - 2;
  const sizes = x.shape.slice(2);
  if (rank < 1) throw new PyError("ValueError", `interpolate expects [N, C, ...]; the input is ${shapeText(x.shape)}`);
  const { factors } = options;
  const asked = factors
    ? sizes.map((d, i) => Math.floor(d * (factors.length === 1 ? factors[0]! : factors[i]!)))
    : spread(intsOf(options.size, "size"), rank);
  const ratio = (i: number): number =>
    factors && !options.recomputes ? 1 / (factors.length === 1 ? factors[0]! : factors[i]!) : sizes[i]! / asked[i]!;
  const linear = { linear: 1, bilinear: 2, trilinear: 3 }[options.mode];
  if (options.mode === "nearest" || options.mode === "nearest-exact") {
    // nearest-exact looks at the middle of what an element covers.
    const middle = options.mode === "nearest" ? 0 : 0.5;
    return sizes.reduce((y, d, i) => {
      const at = (k: number): number => Math.min(d - 1, Math.floor(Math.fround((k + middle) * Math.fround(ratio(i)))));
      return take(
        y,
        i + 2,
        Array.from({ length: listable(asked[i]!) }, (_, k) => at(k)),
      );
    }, x);
  }
  if (options.mode === "area") return adaptivePool("mean", x, asked);
  if (options.antialias && (options.mode === "bilinear" || options.mode === "bicubic")) {
    const { mode, alignCorners } = options;
    return sizes.reduce((y, _, i) => smoothAxis(y, i + 2, asked[i]!, ratio(i), mode, alignCorners), x);
  }
  if (options.mode === "bicubic" && rank === 2) {
    return sizes.reduce((y, _, i) => cubicAxis(y, i + 2, asked[i]!, ratio(i), options.alignCorners), x);
  }
  if (linear !== rank) {
    throw new PyError("NotImplementedError", `Got ${rank + 2}D input, but mode '${options.mode}' needs another rank`);
  }
  return sizes.reduce((y, d, i) => blend(y, i + 2, d, asked[i]!, ratio(i), options.alignCorners), x);
}

function spread(list: readonly number[], rank: number): number[] {
  return list.length === 1 ? new Array<number>(rank).fill(list[0]!) : [...list];
}

function take(x: Node, axis: number, positions: readonly number[]): Node {
  if (positions.length === x.shape[axis] && positions.every((p, i) => p === i)) return x;
  return build.gather(x, build.constant(BigInt64Array.from(positions, BigInt), [positions.length], "int64"), axis);
}

function blend(x: Node, axis: number, size: number, target: number, ratio: number, alignCorners: boolean): Node {
  const places = Array.from({ length: listable(target) }, (_, k) => {
    if (alignCorners) return target > 1 ? (k * (size - 1)) / (target - 1) : 0;
    return Math.max(0, (k + 0.5) * ratio - 0.5);
  });
  const low = places.map((p) => Math.min(size - 1, Math.floor(p)));
  const high = low.map((l) => Math.min(size - 1, l + 1));
  const shape = x.shape.slice(axis).map((_, i) => (i === 0 ? target : 1));
  const weight = build.cast(
    build.constant(
      Float32Array.from(places, (p, k) => p - low[k]!),
      shape,
      "float32",
    ),
    x.dtype,
  );
  const [a, b] = [take(x, axis, low), take(x, axis, high)];
  return build.add(a, build.mul(build.sub(b, a), weight));
}

define(
  ["F"],
  ["interpolate", "upsample"],
  "input, size=None, scale_factor=None, mode='nearest', align_corners=None, recompute_scale_factor=None, antialias=False",
  (args, runtime) => {
    const factor = args.scale_factor ?? null;
    const factors = factor === null ? undefined : (sequenceOf(factor) ?? [factor]).filter(isNumber).map(numberOf);
    if (!factors && !given(args, "size")) {
      throw new PyError("ValueError", "either size or scale_factor should be defined");
    }
    return interpolate(nodeArg(args, "input", runtime), {
      size: args.size,
      factors,
      mode: stringArg(args, "mode"),
      alignCorners: args.align_corners === true,
      antialias: args.antialias === true,
      recomputes: args.recompute_scale_factor === true,
    });
  },
);

/** [..., C r², H, W] -> [..., C, H r, W r]. */
export function pixelShuffle(x: Node, r: number): Node {
  const lead = x.shape.slice(0, -3);
  const [channels, height, width] = x.shape.slice(-3) as [number, number, number];
  if (x.shape.length < 3 || channels % (r * r) !== 0) {
    throw new PyError(
      "RuntimeError",
      `pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but input.size(-3)=${channels} is not divisible by ${r * r}`,
    );
  }
  const n = lead.length;
  const split = build.reshape(x, [...lead, channels / (r * r), r, r, height, width]);
  const order = [...lead.map((_, i) => i), n, n + 3, n + 1, n + 4, n + 2];
  return build.reshape(build.transpose(split, order), [...lead, channels / (r * r), height * r, width * r]);
}

/** [..., C, H r, W r] -> [..., C r², H, W]. */
export function pixelUnshuffle(x: Node, r: number): Node {
  const lead = x.shape.slice(0, -3);
  const [channels, height, width] = x.shape.slice(-3) as [number, number, number];
  if (x.shape.length < 3 || height % r !== 0 || width % r !== 0) {
    throw new PyError(
      "RuntimeError",
      `pixel_unshuffle expects height and width to be divisible by downscale_factor ${r}, but the input is ${shapeText(x.shape)}`,
    );
  }
  const n = lead.length;
  const split = build.reshape(x, [...lead, channels, height / r, r, width / r, r]);
  const order = [...lead.map((_, i) => i), n, n + 2, n + 4, n + 1, n + 3];
  return build.reshape(build.transpose(split, order), [...lead, channels * r * r, height / r, width / r]);
}
define(["F"], "pixel_shuffle", "input, upscale_factor", (args, runtime) =>
  pixelShuffle(nodeArg(args, "input", runtime), intArg(args, "upscale_factor")),
);
define(["F"], "pixel_unshuffle", "input, downscale_factor", (args, runtime) =>
  pixelUnshuffle(nodeArg(args, "input", runtime), intArg(args, "downscale_factor")),
);
