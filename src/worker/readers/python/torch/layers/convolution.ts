import { Unknown } from "../../values";
import {
  type Construction,
  divided,
  inverseRoot,
  kaimingUniform,
  layer,
  notYet,
  product,
  type Size,
  symmetricUniform,
} from "./layer";

/** Convolutions and pooling: counted and shown; not executable yet. */

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
  const kernel = c.tuple("kernel_size", rank);
  const [first, second]: [Size, Size] = transposed
    ? [inChannels, divided(outChannels, groups)]
    : [outChannels, divided(inChannels, groups)];
  const fanIn = product([second, ...kernel]);
  c.parameter("weight", [first, second, ...kernel], kaimingUniform(fanIn));
  if (c.flag("bias")) c.parameter("bias", [outChannels], symmetricUniform(inverseRoot(fanIn)));
  else c.noParameter("bias");
}

for (const rank of [1, 2, 3]) {
  layer(
    `Conv${rank}d`,
    "in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True, padding_mode='zeros', device=None, dtype=None",
    { build: (c) => weights(c, rank, false), forward: notYet },
  );
  layer(
    `ConvTranspose${rank}d`,
    "in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True, dilation=1, padding_mode='zeros', device=None, dtype=None",
    { build: (c) => weights(c, rank, true), inputs: "input, output_size=None", forward: notYet },
  );
  layer(`MaxPool${rank}d`, "kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False", {
    forward: notYet,
  });
  layer(
    `AvgPool${rank}d`,
    "kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None",
    {
      forward: notYet,
    },
  );
  layer(`AdaptiveAvgPool${rank}d`, "output_size", { forward: notYet });
  layer(`AdaptiveMaxPool${rank}d`, "output_size, return_indices=False", { forward: notYet });
}
layer("Upsample", "size=None, scale_factor=None, mode='nearest', align_corners=None, recompute_scale_factor=None", {
  forward: notYet,
});
layer("PixelShuffle", "upscale_factor", { forward: notYet });
layer("ZeroPad2d", "padding", { forward: notYet });
layer("ReflectionPad2d", "padding", { forward: notYet });
