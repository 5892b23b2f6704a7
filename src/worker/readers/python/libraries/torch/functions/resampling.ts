import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { shapeText } from "../../../../../graph/shapes";
import { EvaluationError } from "../../../values/unknown";
import { PyError, type Runtime } from "../../../values/values";
import { intsOf, stringArg } from "../registry/arguments";
import { define, nodeArg } from "../registry/table";
import { listable } from "../tensor/listable";
import { clampNumbers } from "./activations";
import { scale, shift } from "./arithmetic";
import { remainder } from "./division";

/** Resampling by weights that are known, along an axis, and at places that are computed (grid_sample). */

const { add, sub, mul, binary, unary, where, scalar } = build;

/** How far a filter reaches, and its weight at a distance. */
interface Filter {
  readonly support: number;
  readonly weight: (distance: number) => number;
}

/** Keys' cubic convolution; `a` is -0.75 in PyTorch's bicubic mode, -0.5 with antialiasing. */
function cubic(a: number): Filter {
  return {
    support: 2,
    weight(distance) {
      const d = Math.abs(distance);
      if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
      return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
    },
  };
}
const triangle: Filter = { support: 1, weight: (distance) => Math.max(0, 1 - Math.abs(distance)) };

/** Resizes one axis by a matrix of weights, [target, size]. */
function weighted(x: Node, axis: number, weights: readonly (readonly number[])[]): Node {
  const [target, size] = [weights.length, x.shape[axis]!];
  const matrix = build.constant(Float32Array.from(weights.flat()), [target, size], "float32");
  const last = x.shape.length - 1;
  const order = [...x.shape.map((_, i) => i).filter((i) => i !== axis), axis];
  const rows = build.reshape(build.transpose(x, order), [-1, size]);
  const product = build.matmul(rows, build.cast(matrix, x.dtype), { transposeB: true });
  const wide = build.reshape(product, [...order.slice(0, last).map((i) => x.shape[i]!), target]);
  return build.transpose(
    wide,
    x.shape.map((_, i) => order.indexOf(i)),
  );
}

/** Bicubic interpolation of one axis: four neighbors, of which those past the border are the border's. */
export function cubicAxis(x: Node, axis: number, target: number, ratio: number, alignCorners: boolean): Node {
  const size = x.shape[axis]!;
  const { weight } = cubic(-0.75);
  listable(target * size);
  const rows = Array.from({ length: target }, (_, k) => {
    const place = alignCorners ? (target > 1 ? (k * (size - 1)) / (target - 1) : 0) : (k + 0.5) * ratio - 0.5;
    const row = new Array<number>(size).fill(0);
    const first = Math.floor(place);
    for (let i = first - 1; i <= first + 2; i++) row[Math.min(size - 1, Math.max(0, i))]! += weight(place - i);
    return row;
  });
  return weighted(x, axis, rows);
}

/** With antialiasing the filter is as wide as what one element of the result covers, as Pillow's is. */
export function smoothAxis(
  x: Node,
  axis: number,
  target: number,
  ratio: number,
  mode: "bilinear" | "bicubic",
  alignCorners: boolean,
): Node {
  const size = x.shape[axis]!;
  const filter = mode === "bicubic" ? cubic(-0.5) : triangle;
  const step = alignCorners && target > 1 ? (size - 1) / (target - 1) : alignCorners ? 0 : ratio;
  const width = Math.max(1, step);
  const reach = filter.support * width;
  listable(target * size);
  const rows = Array.from({ length: target }, (_, k) => {
    const center = step * (k + 0.5);
    const from = Math.max(0, Math.trunc(center - reach + 0.5));
    const to = Math.min(size, Math.trunc(center + reach + 0.5));
    const row = new Array<number>(size).fill(0);
    for (let i = from; i < to; i++) row[i] = filter.weight((i - center + 0.5) / width);
    const total = row.reduce((a, b) => a + b, 0);
    return total === 0 ? row : row.map((w) => w / total);
  });
  return weighted(x, axis, rows);
}

// Places that are computed

/** From [-1, 1] to elements: the centers of the first and the last, or the outer edges of both. */
function unnormalized(place: Node, size: number, alignCorners: boolean): Node {
  return alignCorners ? scale(shift(place, 1), (size - 1) / 2) : scale(shift(scale(shift(place, 1), size), -1), 0.5);
}

/** Mirrors places at the borders until they lie within. */
function reflected(place: Node, size: number, alignCorners: boolean): Node {
  const [low, span] = alignCorners ? [0, size - 1] : [-0.5, size];
  if (span === 0) return mul(place, scalar(0, place.dtype));
  const from = unary("abs", shift(place, -low));
  const turn = remainder(from, scalar(2 * span, place.dtype));
  const back = shift(unary("neg", turn), 2 * span);
  return shift(where(binary("lessEqual", turn, scalar(span, place.dtype)), turn, back), low);
}

/** torch.nn.functional.grid_sample of images: input [N, C, H, W], grid [N, H', W', 2] of (x, y). */
function gridSample(
  x: Node,
  grid: Node,
  options: { readonly mode: string; readonly padding: string; readonly alignCorners: boolean },
  runtime: Runtime,
): Node {
  if (x.shape.length !== 4 || grid.shape.length !== 4 || grid.shape[3] !== 2) {
    throw x.shape.length === 5
      ? new EvaluationError("grid_sample of volumes is not supported; of images it is", runtime.place)
      : new PyError(
          "RuntimeError",
          `grid_sampler(): expected a 4D input and a grid [N, H, W, 2], but got ${shapeText(x.shape)} and ${shapeText(grid.shape)}`,
        );
  }
  if (options.mode !== "bilinear" && options.mode !== "nearest") {
    throw new EvaluationError(`grid_sample with mode='${options.mode}' is not supported`, runtime.place);
  }
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const [, rows, columns] = grid.shape as [number, number, number, number];
  const place = (which: number, size: number): Node => {
    const raw = build.reshape(build.narrow(grid, 3, which, which + 1), [batch, rows * columns]);
    const own = unnormalized(raw, size, options.alignCorners);
    if (options.padding === "zeros") return own;
    return clampNumbers(
      options.padding === "reflection" ? reflected(own, size, options.alignCorners) : own,
      0,
      size - 1,
    );
  };
  const [px, py] = [place(0, width), place(1, height)];
  const flat = build.reshape(x, [batch, channels, height * width]);
  const within = (i: Node, size: number): Node =>
    binary("and", binary("lessEqual", scalar(0, i.dtype), i), binary("less", i, scalar(size, i.dtype)));
  /** The elements at whole places; zeros outside. */
  const at = (column: Node, row: Node): Node => {
    const inside = binary("and", within(column, width), within(row, height));
    const index = add(scale(clampNumbers(row, 0, height - 1), width), clampNumbers(column, 0, width - 1));
    const whole = build.reshape(build.cast(index, "int64"), [batch, 1, rows * columns]);
    const values = build.gatherElements(flat, build.expand(whole, [batch, channels, rows * columns]), 2);
    return where(build.reshape(inside, [batch, 1, rows * columns]), values, scalar(0, x.dtype));
  };
  const lane = (w: Node): Node => build.reshape(w, [batch, 1, rows * columns]);
  let result: Node;
  if (options.mode === "nearest") {
    result = at(unary("round", px), unary("round", py));
  } else {
    const [left, top] = [unary("floor", px), unary("floor", py)];
    const [right, bottom] = [shift(left, 1), shift(top, 1)];
    const [toRight, toBottom] = [sub(px, left), sub(py, top)];
    const [toLeft, toTop] = [sub(right, px), sub(bottom, py)];
    const corner = (c: Node, r: Node, w: Node): Node => mul(at(c, r), lane(w));
    result = add(
      add(corner(left, top, mul(toLeft, toTop)), corner(right, top, mul(toRight, toTop))),
      add(corner(left, bottom, mul(toLeft, toBottom)), corner(right, bottom, mul(toRight, toBottom))),
    );
  }
  return build.reshape(result, [batch, channels, rows, columns]);
}
define(
  ["F", "torch"],
  ["grid_sample", "grid_sampler"],
  "input, grid, mode='bilinear', padding_mode='zeros', align_corners=None",
  (args, runtime) => {
    const padding = stringArg(args, "padding_mode");
    if (!["zeros", "border", "reflection"].includes(padding)) {
      throw new PyError("ValueError", `padding_mode must be 'zeros', 'border' or 'reflection', but got: '${padding}'`);
    }
    return gridSample(
      nodeArg(args, "input", runtime),
      nodeArg(args, "grid", runtime),
      { mode: stringArg(args, "mode"), padding, alignCorners: args.align_corners === true },
      runtime,
    );
  },
);

/** torch.nn.functional.affine_grid: theta [N, 2, 3] to the places of an image [N, C, H, W], [N, H, W, 2]. */
define(["F"], "affine_grid", "theta, size, align_corners=None", (args, runtime) => {
  const theta = nodeArg(args, "theta", runtime);
  const size = intsOf(args.size, "size");
  if (size.length !== 4) {
    throw new EvaluationError("affine_grid of volumes is not supported; of images it is", runtime.place);
  }
  const [batch, , height, width] = size as [number, number, number, number];
  const line = (n: number): number[] => {
    const [edge, step] = args.align_corners === true ? [1, n > 1 ? 2 / (n - 1) : 0] : [1 - 1 / n, 2 / n];
    return Array.from({ length: listable(n) }, (_, i) =>
      n === 1 && args.align_corners === true ? 0 : -edge + i * step,
    );
  };
  const [xs, ys] = [line(width), line(height)];
  listable(xs.length * ys.length);
  const base = ys.flatMap((y) => xs.flatMap((x) => [x, y, 1]));
  const places = build.cast(build.constant(Float32Array.from(base), [1, height * width, 3], "float32"), theta.dtype);
  return build.reshape(build.matmul(places, theta, { transposeB: true }), [batch, height, width, 2]);
});
