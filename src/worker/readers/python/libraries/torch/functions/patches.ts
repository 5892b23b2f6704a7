import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { shapeText } from "../../../../../graph/shapes";
import { PyError, type Value } from "../../../values/values";
import { define, nodeArg } from "../registry/table";
import { listable } from "../tensor/listable";
import { constant } from "./creation";
import { spatial } from "./windows";

/** torch.nn.functional.unfold and fold: images as their patches, [N, C, H, W] and [N, C kH kW, L]. */

export interface PatchArgs {
  readonly kernel: Value | undefined;
  readonly dilation: Value | undefined;
  readonly padding: Value | undefined;
  readonly stride: Value | undefined;
}

interface Patches {
  readonly kernel: readonly [number, number];
  readonly padding: readonly [number, number];
  /** How many patches along each axis. */
  readonly counts: readonly [number, number];
  /** For each axis: where each patch's elements stand in the padded image, [kernel, count]. */
  readonly places: readonly [Node, Node];
}

function patchesOf(size: readonly number[], args: PatchArgs): Patches {
  const [kernel, dilation, padding, stride] = [
    spatial(args.kernel, "kernel_size", 2),
    spatial(args.dilation, "dilation", 2),
    spatial(args.padding, "padding", 2),
    spatial(args.stride, "stride", 2),
  ] as [number, number][] as [[number, number], [number, number], [number, number], [number, number]];
  const counts = size.map((d, i) =>
    Math.floor((d + 2 * padding[i]! - dilation[i]! * (kernel[i]! - 1) - 1) / stride[i]! + 1),
  ) as [number, number];
  if (counts.some((n) => n < 1)) {
    throw new PyError(
      "RuntimeError",
      `Given input with spatial size ${shapeText(size)}, kernel_size=${shapeText(kernel)}, dilation=${shapeText(dilation)}, padding=${shapeText(padding)}, calculated shape of the array of sliding blocks as ${shapeText(counts)}, but its components must be at least one.`,
    );
  }
  const places = counts.map((count, i) => {
    const all = Array.from(
      { length: listable(kernel[i]! * count) },
      (_, at) => Math.floor(at / count) * dilation[i]! + (at % count) * stride[i]!,
    );
    return constant(all, [kernel[i]!, count], "int64");
  }) as [Node, Node];
  return { kernel, padding, counts, places };
}

export function unfold(given: Node, args: PatchArgs): Node {
  if (given.shape.length !== 3 && given.shape.length !== 4) {
    throw new PyError("RuntimeError", `Expected 3D or 4D (batch mode) tensor, but got ${shapeText(given.shape)}`);
  }
  const x = given.shape.length === 3 ? build.reshape(given, [1, ...given.shape]) : given;
  const [batch, channels, ...size] = x.shape as [number, number, number, number];
  const { kernel, padding, counts, places } = patchesOf(size, args);
  const padded = build.pad(x, [0, 0, ...padding], [0, 0, ...padding]);
  const rows = build.gather(padded, places[0], 2); // [N, C, kH, oH, W]
  const all = build.gather(rows, places[1], 4); // [N, C, kH, oH, kW, oW]
  const patches = build.reshape(build.transpose(all, [0, 1, 2, 4, 3, 5]), [
    batch,
    channels * kernel[0] * kernel[1],
    counts[0] * counts[1],
  ]);
  return given.shape.length === 3 ? build.reshape(patches, patches.shape.slice(1)) : patches;
}

/** The sum of all patches at their places: unfold's transpose. */
export function fold(given: Node, outputSize: Value | undefined, args: PatchArgs): Node {
  const size = spatial(outputSize, "output_size", 2) as [number, number];
  const { kernel, padding, counts, places } = patchesOf(size, args);
  const x = given.shape.length === 2 ? build.reshape(given, [1, ...given.shape]) : given;
  const [batch, width, length] = x.shape as [number, number, number];
  const area = kernel[0] * kernel[1];
  if (width % area !== 0 || length !== counts[0] * counts[1]) {
    throw new PyError(
      "RuntimeError",
      `Given output_size=${shapeText(size)} and kernel_size=${shapeText(kernel)}, expected fold's input to be [N, C × ${area}, ${counts[0] * counts[1]}], but got ${shapeText(given.shape)}`,
    );
  }
  const channels = width / area;
  const [high, wide] = [size[0] + 2 * padding[0], size[1] + 2 * padding[1]];
  const split = build.reshape(x, [batch, channels, kernel[0], kernel[1], counts[0], counts[1]]);
  const all = build.transpose(split, [0, 1, 2, 4, 3, 5]); // [N, C, kH, oH, kW, oW]
  const rows = build.scatterAdd(places[1], all, 4, [batch, channels, kernel[0], counts[0], wide]);
  const image = build.scatterAdd(places[0], rows, 2, [batch, channels, high, wide]);
  const cut = build.slice(image, [0, 0, ...padding], [batch, channels, padding[0] + size[0], padding[1] + size[1]]);
  return given.shape.length === 2 ? build.reshape(cut, cut.shape.slice(1)) : cut;
}

const PATCHES = "kernel_size, dilation=1, padding=0, stride=1";
define(["F"], "unfold", `input, ${PATCHES}`, (args, runtime) =>
  unfold(nodeArg(args, "input", runtime), { ...args, kernel: args.kernel_size } as PatchArgs),
);
define(["F"], "fold", `input, output_size, ${PATCHES}`, (args, runtime) =>
  fold(nodeArg(args, "input", runtime), args.output_size, { ...args, kernel: args.kernel_size } as PatchArgs),
);
