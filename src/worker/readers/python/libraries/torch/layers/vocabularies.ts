import { EvaluationError } from "../../../values/unknown";
import { PyList, type Value } from "../../../values/values";
import { addModule } from "../module/moduleMethods";
import { isNumber, numberOf, sequenceOf } from "../registry/arguments";
import { type Construction, layer, notYet, product } from "./layer";
import { buildLoss } from "./reshaping";

/** Losses that hold the layers over their classes: these are counted and shown; forward is not computed. */

const LINEAR =
  "in_features, num_classes, *, out_features=(), bias=False, device=None, dtype=None, reduction='mean', weight=None, ignore_index=None, label_smoothing=0.0, options=None";
layer("LinearCrossEntropyLoss", LINEAR, {
  build(c) {
    buildLoss(c);
    const further = sequenceOf(c.args.out_features) ?? [];
    const classes = product([c.size("num_classes"), ...further.map((size) => c.sizeOf(size, "out_features"))]);
    c.child("linear", c.make("Linear", [c.size("in_features"), classes], { bias: c.args.bias ?? false }));
  },
  inputs: "*args, **kwargs",
  forward: notYet,
  without: ["in_features", "bias"],
});

/** Frequent classes have a row of the head each; the others share one a cluster, which a smaller product tells apart. */
function buildClusters(c: Construction): void {
  const known = (value: Value, name: string): number => {
    if (isNumber(value)) return numberOf(value);
    throw new EvaluationError(`${name} of AdaptiveLogSoftmaxWithLoss is unknown`, c.runtime.place);
  };
  const features = known(c.args.in_features ?? null, "in_features");
  const ends = [...(sequenceOf(c.args.cutoffs) ?? []), c.args.n_classes ?? null].map((end) => known(end, "cutoffs"));
  if (ends.length < 2) {
    throw c.error("ValueError", "cutoffs should be a sequence of length larger than 0");
  }
  if (ends.some((end, i) => end <= (ends[i - 1] ?? 0))) {
    throw c.error(
      "ValueError",
      "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each value is between 1 and n_classes-1",
    );
  }
  const clusters = ends.length - 1;
  c.show("cutoffs", new PyList(ends));
  c.show("shortlist_size", ends[0]!);
  c.show("n_clusters", clusters);
  c.show("head_size", ends[0]! + clusters);
  c.child("head", c.make("Linear", [features, ends[0]! + clusters], { bias: c.args.head_bias ?? false }));
  const tail = c.child("tail", c.make("ModuleList", []));
  const shrink = known(c.args.div_value ?? null, "div_value");
  for (let i = 0; i < clusters; i++) {
    const width = Math.floor(features / shrink ** (i + 1));
    const projection = c.make("Linear", [features, width], { bias: false });
    const rows = c.make("Linear", [width, ends[i + 1]! - ends[i]!], { bias: false });
    addModule(tail, String(i), c.make("Sequential", [projection, rows]), c.runtime);
  }
}
const ADAPTIVE = "in_features, n_classes, cutoffs, div_value=4.0, head_bias=False, device=None, dtype=None";
const adaptiveClass = layer("AdaptiveLogSoftmaxWithLoss", ADAPTIVE, {
  build: buildClusters,
  inputs: "*args, **kwargs",
  forward: notYet,
});
for (const name of ["log_prob", "predict"]) adaptiveClass.members.set(name, adaptiveClass.members.get("forward")!);
