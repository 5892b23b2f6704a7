import * as build from "../../../../../graph/build";
import { EvaluationError, Unknown } from "../../../values/unknown";
import { PyList, PyTuple, type Value } from "../../../values/values";
import { interpolate, pixelShuffle, pixelUnshuffle } from "../functions/images";
import { padMode, padSizes } from "../functions/padding";
import {
  adaptivePool,
  averagePool,
  convolution,
  maximumPool,
  refuseAdaptiveIndices,
  transposedConvolution,
} from "../functions/windows";
import { intOf, intsOf, isNumber, numberOf, sequenceOf } from "../registry/arguments";
import {
  type Application,
  type Construction,
  divided,
  float,
  inverseRoot,
  kaimingUniform,
  layer,
  layerClasses,
  notYet,
  product,
  type Size,
  symmetricUniform,
} from "./layer";

/** Convolutions, pooling, padding and resizing. */

function weights(c: Construction, rank: number, transposed: boolean): void {
  const [inChannels, outChannels, groups] = [c.size("in_channels"), c.size("out_channels"), c.size("groups")];
  for (const [what, channels] of [
    ["in_channels", inChannels],
    ["out_channels", outChannels],
  ] as const) {
    if (!(channels instanceof Unknown) && !(groups instanceof Unknown) && channels % groups !== 0) {
      throw c.error("ValueError", `${what} must be divisible by groups`);
    }
  }
  for (const name of ["kernel_size", "stride", "padding", "dilation", "output_padding"]) c.showTuple(name, rank);
  c.show("transposed", transposed);
  if (!transposed) c.show("output_padding", new PyTuple(Array.from({ length: rank }, () => 0)));
  c.show("_reversed_padding_repeated_twice", repeatedPadding(c, rank));
  const kernel = c.tuple("kernel_size", rank);
  const [first, second]: [Size, Size] = transposed
    ? [inChannels, divided(outChannels, groups)]
    : [outChannels, divided(inChannels, groups)];
  const fanIn = product([second, ...kernel]);
  c.parameter("weight", [first, second, ...kernel], kaimingUniform(fanIn));
  if (c.flag("bias")) c.parameter("bias", [outChannels], symmetricUniform(inverseRoot(fanIn)));
  else c.noParameter("bias");
}

/** The padding as F.pad takes it: last dimension first, before and after each. "same" pads so that the size stays. */
function repeatedPadding(c: Construction, rank: number): Value {
  const padding = c.shown("padding");
  if (padding instanceof Unknown) return padding;
  if (typeof padding !== "string") {
    const sides = [...(sequenceOf(padding) ?? [])].reverse();
    return new PyTuple(sides.flatMap((side) => [side, side]));
  }
  const [kernel, dilation] = [c.tuple("kernel_size", rank), c.tuple("dilation", rank)];
  const sides = kernel.map((size, i): Value[] => {
    if (padding !== "same") return [0, 0];
    const step = dilation[i]!;
    if (size instanceof Unknown || step instanceof Unknown) return [size, size];
    const total = step * (size - 1);
    return [Math.floor(total / 2), total - Math.floor(total / 2)];
  });
  return new PyList(sides.reverse().flat());
}

const convolutionOptions = (a: Application) => ({
  stride: a.option("stride"),
  padding: a.option("padding"),
  dilation: a.option("dilation"),
  groups: a.number("groups"),
  paddingMode: String(a.option("padding_mode")),
});

/** Pooling moves by its own size unless told otherwise. */
function strideOfKernel(c: Construction): void {
  if (c.shown("stride") === null) c.show("stride", c.shown("kernel_size"));
}

function poolOptions(a: Application) {
  return {
    kernel: a.option("kernel_size"),
    stride: a.option("stride"),
    padding: a.option("padding"),
    ceilMode: a.option("ceil_mode") === true,
  };
}

for (const rank of [1, 2, 3]) {
  layer(
    `Conv${rank}d`,
    "in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True, padding_mode='zeros', device=None, dtype=None",
    {
      build: (c) => weights(c, rank, false),
      forward: (a) => convolution(a.input, a.required("weight"), a.weight("bias"), rank, convolutionOptions(a)),
    },
  );
  layer(
    `ConvTranspose${rank}d`,
    "in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True, dilation=1, padding_mode='zeros', device=None, dtype=None",
    {
      build: (c) => weights(c, rank, true),
      inputs: "input, output_size=None",
      forward: (a) =>
        transposedConvolution(a.input, a.required("weight"), a.weight("bias"), rank, {
          ...convolutionOptions(a),
          outputPadding: a.option("output_padding"),
          ...(a.args.output_size != null && { outputSize: intsOf(a.args.output_size, "output_size") }),
        }),
    },
  );
  layer(`MaxPool${rank}d`, "kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False", {
    build: strideOfKernel,
    forward: (a) =>
      maximumPool(
        a.input,
        rank,
        { ...poolOptions(a), dilation: a.option("dilation") },
        a.option("return_indices") === true,
      ),
  });
  layer(
    `AvgPool${rank}d`,
    `kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True${rank === 1 ? "" : ", divisor_override=None"}`,
    {
      build(c) {
        strideOfKernel(c);
        if (rank === 1) for (const name of ["kernel_size", "stride", "padding"]) c.showTuple(name, 1);
      },
      forward(a) {
        const divisor = rank === 1 ? null : a.option("divisor_override");
        return averagePool(a.input, rank, {
          ...poolOptions(a),
          countPadding: a.option("count_include_pad") !== false,
          ...(divisor !== null && { divisor: intOf(divisor, "divisor_override") }),
        });
      },
    },
  );
  layer(`MaxUnpool${rank}d`, "kernel_size, stride=None, padding=0", {
    build(c) {
      strideOfKernel(c);
      for (const name of ["kernel_size", "stride", "padding"]) c.showTuple(name, rank);
    },
    inputs: "input, indices, output_size=None",
    forward: notYet,
  });
  if (rank > 1) {
    const signature = "kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None";
    layer(`FractionalMaxPool${rank}d`, signature, {
      build(c) {
        for (const name of ["kernel_size", "output_size", "output_ratio"]) c.showTuple(name, rank);
        c.noBuffer("_random_samples");
      },
      forward: notYet,
    });
  }
  layer(`AdaptiveAvgPool${rank}d`, "output_size", {
    forward: (a) => adaptivePool(a.input, rank, a.option("output_size"), "mean"),
  });
  layer(`AdaptiveMaxPool${rank}d`, "output_size, return_indices=False", {
    forward(a) {
      refuseAdaptiveIndices(a.option("return_indices"), a.runtime);
      return adaptivePool(a.input, rank, a.option("output_size"), "max");
    },
  });
  for (const [name, mode] of [
    ["ConstantPad", "constant"],
    ["ZeroPad", "constant"],
    ["ReflectionPad", "reflect"],
    ["ReplicationPad", "replicate"],
    ["CircularPad", "circular"],
  ] as const) {
    const base = name === "ZeroPad" ? layerClasses.get(`ConstantPad${rank}d`) : undefined;
    layer(`${name}${rank}d`, name === "ConstantPad" ? "padding, value" : "padding", {
      ...(base && { base }),
      build(c) {
        c.showTuple("padding", 2 * rank);
        if (name === "ZeroPad") c.show("value", float(0));
      },
      forward(a) {
        const listed = intsOf(a.option("padding"), "padding");
        const sizes = listed.length === 1 ? new Array<number>(2 * rank).fill(listed[0]!) : listed;
        const { before, after } = padSizes(a.input, sizes);
        return padMode(a.input, before, after, mode, mode === "constant" ? a.number("value") : 0);
      },
    });
  }
}

function resized(a: Application, mode: string): ReturnType<typeof interpolate> {
  const factor = a.option("scale_factor");
  return interpolate(a.input, {
    size: a.option("size"),
    factors: factor === null ? undefined : (sequenceOf(factor) ?? [factor]).map(factorOf),
    mode,
    alignCorners: a.option("align_corners") === true,
    recomputes: a.option("recompute_scale_factor") === true,
  });
}
function factorOf(value: Value): number {
  if (isNumber(value)) return numberOf(value);
  throw new EvaluationError("scale_factor must be a number or a tuple of numbers");
}
/** The factor is shown as a float, or a tuple of floats. */
function showFactor(c: Construction): void {
  const asFloat = (value: Value): Value => (typeof value === "number" ? float(value) : value);
  const factor = c.shown("scale_factor");
  c.show("scale_factor", factor instanceof PyTuple ? new PyTuple(factor.items.map(asFloat)) : asFloat(factor));
}
const UPSAMPLE = "size=None, scale_factor=None, mode='nearest', align_corners=None, recompute_scale_factor=None";
const upsampleClass = layer("Upsample", UPSAMPLE, {
  build(c) {
    c.show("name", "Upsample");
    showFactor(c);
  },
  forward: (a) => resized(a, String(a.option("mode"))),
});
for (const [name, mode] of [
  ["UpsamplingNearest2d", "nearest"],
  ["UpsamplingBilinear2d", "bilinear"],
] as const) {
  layer(name, "size=None, scale_factor=None", {
    base: upsampleClass,
    build(c) {
      c.show("name", name);
      c.show("mode", mode);
      c.show("align_corners", mode === "bilinear" ? true : null);
      c.show("recompute_scale_factor", null);
      showFactor(c);
    },
    forward: (a) => resized(a, String(a.option("mode"))),
  });
}
layer("PixelShuffle", "upscale_factor", { forward: (a) => pixelShuffle(a.input, a.number("upscale_factor")) });
layer("PixelUnshuffle", "downscale_factor", { forward: (a) => pixelUnshuffle(a.input, a.number("downscale_factor")) });
layer("ChannelShuffle", "groups", {
  forward(a) {
    const [n, channels, ...rest] = a.input.shape as [number, number, ...number[]];
    const groups = a.number("groups");
    const split = build.reshape(a.input, [n, groups, channels / groups, ...rest]);
    const swapped = build.transpose(split, [0, 2, 1, ...rest.map((_, i) => i + 3)]);
    return build.reshape(swapped, a.input.shape);
  },
});
