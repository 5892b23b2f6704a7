import { Unknown } from "../../values";
import { intsOf, isNumber, numberOf } from "../arguments";
import { batchNorm, layerNorm, rmsNorm } from "../functions/neural";
import { type Construction, layer, notYet, ONE, ZERO } from "./layer";

/** LayerNorm, RMSNorm and the normalizations over channels. */

layer("LayerNorm", "normalized_shape, eps=1e-05, elementwise_affine=True, bias=True, device=None, dtype=None", {
  build(c) {
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

function channels(c: Construction, name: string, affine: boolean, statistics: boolean): void {
  const size = c.size(name);
  if (affine) {
    c.parameter("weight", [size], ONE);
    c.parameter("bias", [size], ZERO);
  } else {
    c.noParameter("weight");
    c.noParameter("bias");
  }
  if (statistics) {
    c.buffer("running_mean", [size], 0);
    c.buffer("running_var", [size], 1);
    c.buffer("num_batches_tracked", [], 0, "int64");
  }
}

for (const kind of ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d"]) {
  layer(kind, "num_features, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, device=None, dtype=None", {
    build: (c) => channels(c, "num_features", c.flag("affine"), c.flag("track_running_stats")),
    forward(a) {
      const [mean, variance] = [a.weight("running_mean"), a.weight("running_var")];
      // In training mode the statistics are the batch's own and the running ones change.
      if (a.training || !mean || !variance) return notYet(a);
      return batchNorm(a.input, mean, variance, a.number("eps"), a.weight("weight"), a.weight("bias"));
    },
  });
}
for (const kind of ["InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]) {
  layer(
    kind,
    "num_features, eps=1e-05, momentum=0.1, affine=False, track_running_stats=False, device=None, dtype=None",
    {
      build: (c) => channels(c, "num_features", c.flag("affine"), c.flag("track_running_stats")),
      forward: notYet,
    },
  );
}
layer("GroupNorm", "num_groups, num_channels, eps=1e-05, affine=True, device=None, dtype=None", {
  build(c) {
    const [groups, size] = [c.size("num_groups"), c.size("num_channels")];
    if (!(groups instanceof Unknown) && !(size instanceof Unknown) && size % groups !== 0) {
      throw c.error("ValueError", "num_channels must be divisible by num_groups");
    }
    channels(c, "num_channels", c.flag("affine"), false);
  },
  forward: notYet,
});
