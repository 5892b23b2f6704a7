import { isFloating } from "../../../../../formats/dtype";
import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import * as pooling from "../../../../../graph/pooling";
import { shapeText } from "../../../../../graph/shapes";
import { conv, convTranspose, maxPool, maxPoolIndices } from "../../../../../graph/windows";
import { EvaluationError } from "../../../values/unknown";
import { type BoundArgs, PyError, type Runtime, type Value } from "../../../values/values";
import { given, intArg, intsOf, numberArg, optionalTensor, sequenceOf, tuple } from "../registry/arguments";
import { define, nodeArg } from "../registry/table";
import { nodeOf, wrap } from "../tensor/tensor";
import { arithmetic, scale } from "./arithmetic";
import { padMode } from "./padding";

/** Convolutions and pooling of torch.nn.functional, over one to three spatial dimensions, with or without a batch. */

/** One number for each of `rank` spatial dimensions; one number alone, or a sequence of one, stands for all. */
export function spatial(value: Value | undefined, name: string, rank: number): number[] {
  const list = intsOf(value, name);
  if (list.length === 1) return new Array<number>(rank).fill(list[0]!);
  if (list.length === rank) return list;
  throw new PyError("RuntimeError", `${name} must be an int or ${rank} ints, but got ${shapeText(list)}`);
}

/** Adds the batch dimension PyTorch lets one leave out, and removes it from the result. */
function batched<T extends Node | readonly Node[]>(x: Node, rank: number, name: string, body: (x: Node) => T): T {
  if (x.shape.length === rank + 2) return body(x);
  if (x.shape.length !== rank + 1) {
    throw new PyError(
      "RuntimeError",
      `Expected ${rank + 1}D (unbatched) or ${rank + 2}D (batched) input to ${name}, but got input of size: ${shapeText(x.shape)}`,
    );
  }
  const result = body(build.reshape(x, [1, ...x.shape]));
  const unbatch = (n: Node): Node => build.reshape(n, n.shape.slice(1));
  return (Array.isArray(result) ? result.map(unbatch) : unbatch(result as Node)) as T;
}

export interface ConvolutionArgs {
  readonly stride: Value | undefined;
  readonly padding: Value | undefined;
  readonly dilation: Value | undefined;
  readonly groups: number;
  readonly paddingMode?: string;
}

/** F.conv1d to F.conv3d; `padding` is numbers, "valid" or "same", whose odd unit goes to the end as PyTorch puts it. */
export function convolution(
  x: Node,
  weight: Node,
  bias: Node | undefined,
  rank: number,
  options: ConvolutionArgs,
): Node {
  const strides = spatial(options.stride, "stride", rank);
  const dilations = spatial(options.dilation, "dilation", rank);
  let [before, after] = [new Array<number>(rank).fill(0), new Array<number>(rank).fill(0)];
  if (options.padding === "same") {
    if (strides.some((s) => s !== 1)) {
      throw new PyError("RuntimeError", "padding='same' is not supported for strided convolutions");
    }
    const total = dilations.map((d, i) => d * (weight.shape[i + 2]! - 1));
    before = total.map((t) => Math.floor(t / 2));
    after = total.map((t, i) => t - before[i]!);
  } else if (typeof options.padding === "string") {
    if (options.padding !== "valid") {
      throw new PyError("RuntimeError", `Invalid padding string: '${options.padding}'; it should be 'same' or 'valid'`);
    }
  } else {
    before = spatial(options.padding, "padding", rank);
    after = before;
  }
  const mode = options.paddingMode ?? "zeros";
  return batched(x, rank, `conv${rank}d`, (input) => {
    if (mode === "zeros") {
      return conv(input, weight, { ...(bias && { bias }), strides, before, after, dilations, groups: options.groups });
    }
    const padded = padMode(input, [0, 0, ...before], [0, 0, ...after], mode, 0);
    return conv(padded, weight, { ...(bias && { bias }), strides, dilations, groups: options.groups });
  });
}

export interface TransposedArgs extends ConvolutionArgs {
  readonly outputPadding: Value | undefined;
  /** nn.ConvTranspose's `output_size`, spatial dimensions at its end: it picks the output padding. */
  readonly outputSize?: readonly number[];
}

export function transposedConvolution(
  x: Node,
  weight: Node,
  bias: Node | undefined,
  rank: number,
  options: TransposedArgs,
): Node {
  const strides = spatial(options.stride, "stride", rank);
  const padding = spatial(options.padding, "padding", rank);
  const dilations = spatial(options.dilation, "dilation", rank);
  return batched(x, rank, `conv_transpose${rank}d`, (input) => {
    let extra = spatial(options.outputPadding, "output_padding", rank);
    if (options.outputSize) {
      const asked = options.outputSize.slice(-rank);
      extra = asked.map((size, i) => {
        const least =
          (input.shape[i + 2]! - 1) * strides[i]! - 2 * padding[i]! + dilations[i]! * (weight.shape[i + 2]! - 1) + 1;
        if (size < least || size > least + strides[i]! - 1) {
          throw new PyError(
            "ValueError",
            `requested an output size of ${shapeText(asked)}, but valid sizes of dimension ${i + 2} range from ${least} to ${least + strides[i]! - 1}`,
          );
        }
        return size - least;
      });
    }
    const { groups } = options;
    return convTranspose(input, weight, { ...(bias && { bias }), strides, padding, dilations, groups, extra });
  });
}

export interface PoolArgs {
  readonly kernel: Value | undefined;
  readonly stride: Value | undefined;
  readonly padding: Value | undefined;
  readonly dilation?: Value | undefined;
  readonly ceilMode: boolean;
}

function windowOptions(options: PoolArgs, rank: number) {
  const kernel = spatial(options.kernel, "kernel_size", rank);
  const listed = options.stride === null || options.stride === undefined ? [] : intsOf(options.stride, "stride");
  return {
    kernel,
    strides: listed.length === 0 ? kernel : spatial(options.stride, "stride", rank),
    padding: spatial(options.padding, "padding", rank),
    dilations: spatial(options.dilation ?? 1, "dilation", rank),
    ceilMode: options.ceilMode,
  };
}

export function maximumPool(x: Node, rank: number, options: PoolArgs, withIndices: boolean): Value {
  const { kernel, ...rest } = windowOptions(options, rank);
  const name = `max_pool${rank}d`;
  const values = batched(x, rank, name, (input) => maxPool(input, kernel, rest));
  if (!withIndices) return wrap(values);
  return tuple([wrap(values), wrap(batched(x, rank, name, (input) => maxPoolIndices(input, kernel, rest)))]);
}

/** Average pooling; padding counts as elements with `countPadding`, what hangs over the end in ceil mode never does. */
export function averagePool(
  x: Node,
  rank: number,
  options: PoolArgs & { readonly countPadding: boolean; readonly divisor?: number },
): Node {
  const { kernel, ...rest } = windowOptions(options, rank);
  const name = `avg_pool${rank}d`;
  if (!isFloating(x.dtype)) throw new PyError("RuntimeError", `"${name}" not implemented for '${x.dtype}'`);
  const { countPadding: countIncludePad, divisor } = options;
  return batched(x, rank, name, (input) =>
    pooling.averagePool(input, kernel, { ...rest, countIncludePad, ...(divisor !== undefined && { divisor }) }),
  );
}

/** The p-th root of the sum of the p-th powers in each window. */
export function lpPool(x: Node, rank: number, p: number, options: PoolArgs): Node {
  const area = spatial(options.kernel, "kernel_size", rank).reduce((n, k) => n * k, 1);
  const mean = averagePool(arithmetic("pow", x, p), rank, { ...options, countPadding: true });
  return build.binary("pow", scale(mean, area), build.scalar(1 / p, x.dtype));
}

/** Of an adaptive pool: None keeps the input's size. */
function adaptiveSizes(value: Value | undefined, sizes: readonly number[]): number[] {
  const listed = sequenceOf(value) ?? sizes.map(() => value ?? null);
  return sizes.map((d, i) => {
    const asked = listed[listed.length === 1 ? 0 : i] ?? null;
    return asked === null ? d : intsOf(asked, "output_size")[0]!;
  });
}

export function adaptivePool(x: Node, rank: number, outputSize: Value | undefined, op: "mean" | "max"): Node {
  const name = `adaptive_${op === "max" ? "max" : "avg"}_pool${rank}d`;
  return batched(x, rank, name, (input) =>
    pooling.adaptivePool(op, input, adaptiveSizes(outputSize, input.shape.slice(2))),
  );
}

const optional = (args: BoundArgs, name: string, runtime: Runtime): Node | undefined => {
  const tensor = optionalTensor(args, name);
  return tensor && nodeOf(tensor, runtime);
};

for (const rank of [1, 2, 3]) {
  define(
    ["F", "torch"],
    `conv${rank}d`,
    "input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1",
    (args, runtime) =>
      convolution(
        nodeArg(args, "input", runtime),
        nodeArg(args, "weight", runtime),
        optional(args, "bias", runtime),
        rank,
        {
          stride: args.stride,
          padding: args.padding,
          dilation: args.dilation,
          groups: intArg(args, "groups"),
        },
      ),
  );
  define(["F"], `lp_pool${rank}d`, "input, norm_type, kernel_size, stride=None, ceil_mode=False", (args, runtime) =>
    lpPool(nodeArg(args, "input", runtime), rank, numberArg(args, "norm_type"), {
      kernel: args.kernel_size,
      stride: args.stride,
      padding: 0,
      ceilMode: args.ceil_mode === true,
    }),
  );
  define(
    ["F", "torch"],
    `conv_transpose${rank}d`,
    "input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1",
    (args, runtime) =>
      transposedConvolution(
        nodeArg(args, "input", runtime),
        nodeArg(args, "weight", runtime),
        optional(args, "bias", runtime),
        rank,
        {
          stride: args.stride,
          padding: args.padding,
          dilation: args.dilation,
          groups: intArg(args, "groups"),
          outputPadding: args.output_padding,
        },
      ),
  );
  define(
    ["F", "torch"],
    `max_pool${rank}d`,
    "input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False",
    (args, runtime) =>
      maximumPool(
        nodeArg(args, "input", runtime),
        rank,
        {
          kernel: args.kernel_size,
          stride: args.stride,
          padding: args.padding,
          dilation: args.dilation,
          ceilMode: args.ceil_mode === true,
        },
        args.return_indices === true,
      ),
  );
  define(
    ["F"],
    `avg_pool${rank}d`,
    "input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None",
    (args, runtime) =>
      averagePool(nodeArg(args, "input", runtime), rank, {
        kernel: args.kernel_size,
        stride: args.stride,
        padding: args.padding,
        ceilMode: args.ceil_mode === true,
        countPadding: args.count_include_pad !== false,
        ...(given(args, "divisor_override") && { divisor: intArg(args, "divisor_override") }),
      }),
  );
  define(["F"], `adaptive_avg_pool${rank}d`, "input, output_size", (args, runtime) =>
    adaptivePool(nodeArg(args, "input", runtime), rank, args.output_size, "mean"),
  );
  define(["F"], `adaptive_max_pool${rank}d`, "input, output_size, return_indices=False", (args, runtime) => {
    refuseAdaptiveIndices(args.return_indices, runtime);
    return adaptivePool(nodeArg(args, "input", runtime), rank, args.output_size, "max");
  });
}

export function refuseAdaptiveIndices(asked: Value | undefined, runtime: Runtime): void {
  if (asked === true) {
    throw new EvaluationError("an adaptive max pool with return_indices=True is not supported", runtime.place);
  }
}
