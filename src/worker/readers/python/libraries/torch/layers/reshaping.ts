import * as build from "../../../../../graph/build";
import { PyTensor } from "../../../values/values";
import { crossEntropy, negativeLogLikelihood, pairLosses, reduced, reductionOf } from "../functions/losses";
import { calledOnTensors } from "../functions/lossFunctions";
import { LOSSES, REFUSED_LOSSES } from "../functions/marginLosses";
import { cosineSimilarity } from "../functions/reductions";
import { flatten, unflatten } from "../functions/shape";
import { isModule, stateOf } from "../module/module";
import { axisOf, intsOf } from "../registry/arguments";
import { storeBuffer } from "../tensor/parameter";
import { nodeOf } from "../tensor/tensor";
import { type Application, type Construction, type LayerSpec, layer, notYet } from "./layer";

/** Layers that only move elements, and losses as layers. */

layer("Flatten", "start_dim=1, end_dim=-1", {
  forward: (a) => flatten(a.input, a.number("start_dim"), a.number("end_dim")),
});
layer("Unflatten", "dim, unflattened_size", {
  forward: (a) =>
    unflatten(
      a.input,
      axisOf(a.number("dim"), a.input.shape.length),
      intsOf(a.option("unflattened_size"), "unflattened_size"),
    ),
});
layer("CosineSimilarity", "dim=1, eps=1e-08", {
  inputs: "x1, x2",
  forward(a) {
    const [x, y] = [a.tensor("x1"), a.tensor("x2")];
    const axis = axisOf(a.number("dim"), Math.max(x.shape.length, y.shape.length));
    return cosineSimilarity(x, y, axis, a.number("eps"));
  },
});

function option(a: Application, name: string) {
  const value = stateOf(a.self, a.runtime).buffers.get(name)?.tensor ?? a.option(name);
  return value instanceof PyTensor ? nodeOf(value, a.runtime) : undefined;
}
/** The weights a loss was given are its buffers, and part of the state dict; a distance may be a module. */
export function buildLoss(c: Construction): void {
  c.show("reduction", reductionOf(c.args));
  for (const name of ["weight", "pos_weight"]) {
    if (!Object.hasOwn(c.args, name)) continue;
    const tensor = c.args[name];
    if (tensor instanceof PyTensor) {
      storeBuffer(tensor, c.runtime);
      stateOf(c.self, c.runtime).buffers.set(name, { tensor, persistent: true });
    } else if (tensor === null) c.noBuffer(name);
  }
  if (!Object.hasOwn(c.args, "distance_function")) return;
  const distance = c.args.distance_function ?? c.make("PairwiseDistance", []);
  if (isModule(distance)) c.child("distance_function", distance);
}
const LEGACY = "size_average=None, reduce=None, reduction='mean'";
function classLoss(a: Application) {
  return {
    weight: option(a, "weight"),
    ignoreIndex: a.number("ignore_index"),
    reduction: String(a.option("reduction")),
  };
}
layer(
  "CrossEntropyLoss",
  "weight=None, size_average=None, ignore_index=-100, reduce=None, reduction='mean', label_smoothing=0.0",
  {
    build: buildLoss,
    inputs: "input, target",
    forward: (a) =>
      crossEntropy(a.input, a.tensor("target"), { ...classLoss(a), smoothing: a.number("label_smoothing") }),
  },
);
const NLL = "weight=None, size_average=None, ignore_index=-100, reduce=None, reduction='mean'";
const nll: LayerSpec = {
  build: buildLoss,
  inputs: "input, target",
  forward: (a) => negativeLogLikelihood(a.input, a.tensor("target"), classLoss(a)),
};
layer("NLLLoss2d", NLL, { ...nll, base: layer("NLLLoss", NLL, nll) });
for (const [name, loss, signature] of [
  ["MSELoss", pairLosses.mse_loss, LEGACY],
  ["L1Loss", pairLosses.l1_loss, LEGACY],
  ["BCELoss", pairLosses.binary_cross_entropy, `weight=None, ${LEGACY}`],
  ["BCEWithLogitsLoss", pairLosses.binary_cross_entropy_with_logits, `weight=None, ${LEGACY}, pos_weight=None`],
] as const) {
  layer(name, signature, {
    build: buildLoss,
    inputs: "input, target",
    forward(a) {
      const weight = option(a, "weight");
      const raw = loss(a.input, a.tensor("target"), option(a, "pos_weight"));
      return reduced(weight ? build.mul(raw, weight) : raw, String(a.option("reduction")));
    },
  });
}
for (const { names, inputs, options, compute } of LOSSES) {
  layer(names[1], options[1], {
    build: buildLoss,
    inputs,
    forward: (a) =>
      compute(
        inputs.split(", ").map((name) => a.tensor(name)),
        {
          number: (name) => a.number(name),
          flag: (name) => a.option(name) === true,
          text: (name) => String(a.option(name)),
          tensor: (name) => option(a, name),
          call: (name, nodes) => calledOnTensors(a.option(name), nodes, a.runtime),
        },
      ),
  });
}
for (const [, name, signature] of REFUSED_LOSSES) {
  layer(name, signature, { build: buildLoss, inputs: "*args, **kwargs", forward: notYet });
}
