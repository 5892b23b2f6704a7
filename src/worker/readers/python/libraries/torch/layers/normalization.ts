import * as build from "../../../../../graph/build";
import { Unknown } from "../../../values/unknown";
import { layerNorm, rmsNorm } from "../functions/neural";
import { batchNorm, batchNormOfBatch, groupNorm, instanceNorm } from "../functions/normalization";
import { intsOf, isNumber, numberOf } from "../registry/arguments";
import { type Construction, layer, ONE, type Size, ZERO } from "./layer";

/** LayerNorm, RMSNorm and the normalizations over channels. */

layer("LayerNorm", "normalized_shape, eps=1e-05, elementwise_affine=True, bias=True, device=None, dtype=None", {
  build(c) {
    c.showTuple("normalized_shape", 1);
    const shape = c.sizes("normalized_shape");
    const affine = c.flag("elementwise_affine");
    if (affine) c.parameter("weight", shape, ONE);
    else c.noParameter("weight");
    if (affine && c.flag("bias")) c.parameter("bias", shape, ZERO);
    else c.noParameter("bias");
  },
  forward: (a) =>
    layerNorm(
      a.input,
      intsOf(a.option("normalized_shape"), "normalized_shape"),
      a.number("eps"),
      a.weight("weight"),
      a.weight("bias"),
    ),
});

layer("RMSNorm", "normalized_shape, eps=None, elementwise_affine=True, device=None, dtype=None", {
  build(c) {
    c.showTuple("normalized_shape", 1);
    if (c.flag("elementwise_affine")) c.parameter("weight", c.sizes("normalized_shape"), ONE);
    else c.noParameter("weight");
  },
  forward(a) {
    const eps = a.option("eps");
    return rmsNorm(
      a.input,
      intsOf(a.option("normalized_shape"), "normalized_shape"),
      isNumber(eps) ? numberOf(eps) : undefined,
      a.weight("weight"),
    );
  },
});

function scaleAndShift(c: Construction, size: Size, affine: boolean): void {
  if (affine) {
    c.parameter("weight", [size], ONE);
    c.parameter("bias", [size], ZERO);
  } else {
    c.noParameter("weight");
    c.noParameter("bias");
  }
}

function channels(c: Construction): void {
  const size = c.size("num_features");
  scaleAndShift(c, size, c.flag("affine"));
  if (c.flag("track_running_stats")) {
    c.buffer("running_mean", [size], 0);
    c.buffer("running_var", [size], 1);
    c.buffer("num_batches_tracked", [], 0, "int64");
  } else for (const name of ["running_mean", "running_var", "num_batches_tracked"]) c.noBuffer(name);
}

for (const kind of ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm"]) {
  const group = kind === "SyncBatchNorm" ? "process_group=None, " : "";
  const signature = `num_features, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, ${group}device=None, dtype=None`;
  layer(kind, signature, {
    build: channels,
    forward(a) {
      const [mean, variance] = [a.weight("running_mean"), a.weight("running_var")];
      // The running statistics change beside the graph: it holds the batch's own and leaves those as they are.
      if (a.training || !mean || !variance) {
        return batchNormOfBatch(a.input, a.number("eps"), a.weight("weight"), a.weight("bias"));
      }
      return batchNorm(a.input, mean, variance, a.number("eps"), a.weight("weight"), a.weight("bias"));
    },
  });
}
for (const kind of ["InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]) {
  layer(
    kind,
    "num_features, eps=1e-05, momentum=0.1, affine=False, track_running_stats=False, device=None, dtype=None",
    {
      build: channels,
      forward(a) {
        const [mean, variance] = [a.weight("running_mean"), a.weight("running_var")];
        const [weight, bias] = [a.weight("weight"), a.weight("bias")];
        // PyTorch takes [C, ...] too: a sample without a batch.
        const unbatched = a.input.shape.length === Number(kind.at(-2)) + 1;
        const x = unbatched ? build.reshape(a.input, [1, ...a.input.shape]) : a.input;
        const y =
          a.training || !mean || !variance
            ? instanceNorm(x, a.number("eps"), weight, bias)
            : batchNorm(x, mean, variance, a.number("eps"), weight, bias);
        return unbatched ? build.reshape(y, a.input.shape) : y;
      },
    },
  );
}
layer("GroupNorm", "num_groups, num_channels, eps=1e-05, affine=True, device=None, dtype=None", {
  build(c) {
    const [groups, size] = [c.size("num_groups"), c.size("num_channels")];
    if (!(groups instanceof Unknown) && !(size instanceof Unknown) && size % groups !== 0) {
      throw c.error("ValueError", "num_channels must be divisible by num_groups");
    }
    scaleAndShift(c, size, c.flag("affine"));
  },
  forward: (a) => groupNorm(a.input, a.number("num_groups"), a.number("eps"), a.weight("weight"), a.weight("bias")),
});
