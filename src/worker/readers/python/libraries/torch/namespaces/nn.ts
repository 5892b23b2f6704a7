import { type PyNamespace, PyNative, type Value } from "../../../values/values";
import { EINOPS_LAYERS } from "../../einops/einops";
import { FAIRSCALE_LAYERS } from "../../fairscale";
import { layerBases } from "../layers/families";
import { layerClasses } from "../layers/layer";
import { moduleClass } from "../module/module";
import { parametrizedSpectralNorm, parametrizedWeightNorm, spectralNorm, weightNorm } from "../module/parametrizations";
import { isParametrized, registerParametrization } from "../module/parametrize";
import { initFunctions } from "../random/init";
import { functionalFunctions } from "../registry/table";
import { bufferClass } from "../tensor/parameter";
import { parameterClass } from "../tensor/tensorClass";
import { SEQUENCES } from "./surroundings";

import { namespace } from "./wrappers";

/** torch.nn and its modules. */

/** Layers that torch.nn does not export. */
const LAYERS_INSIDE = ["NonDynamicallyQuantizableLinear"];
const LAYER_MODULES = [
  ...["activation", "adaptive", "batchnorm", "channelshuffle", "container", "conv", "distance", "dropout", "flatten"],
  ...["fold", "instancenorm", "linear", "loss", "module", "normalization", "padding", "pixelshuffle", "pooling", "rnn"],
  ...["sparse", "transformer", "upsampling"],
];

export function makeNn(): PyNamespace {
  const classes: [string, Value][] = [
    ["Module", moduleClass],
    ["Parameter", parameterClass],
    ["Buffer", bufferClass],
    ["RNNCellBase", layerBases.get("RNNCellBase")!],
    ...[...layerClasses].filter(([name]) => ![...EINOPS_LAYERS, ...FAIRSCALE_LAYERS, ...LAYERS_INSIDE].includes(name)),
  ];
  const functional = namespace("torch.nn.functional", functionalFunctions);
  const init = namespace("torch.nn.init", initFunctions);
  const parameter = namespace("torch.nn.parameter", [
    ["Parameter", parameterClass],
    ["Buffer", bufferClass],
  ]);
  // Each of its modules has all the classes, and the bases that code asks for in isinstance.
  const everything = [
    ...classes,
    ...layerBases,
    ...LAYERS_INSIDE.map((name) => [name, layerClasses.get(name)!] as const),
  ];
  const parts = LAYER_MODULES.map((name) => namespace(`torch.nn.modules.${name}`, everything));
  const layerModules = namespace("torch.nn.modules", [
    ...classes,
    ...parts.map((part) => [part.name.slice("torch.nn.modules.".length), part] as const),
  ]);
  const clip = new PyNative("clip_grad_norm_", "parameters, max_norm, *args, **kwargs", () => null);
  const rnn = namespace("torch.nn.utils.rnn", SEQUENCES);
  const parametrizations = namespace("torch.nn.utils.parametrizations", [
    ["weight_norm", parametrizedWeightNorm],
    ["spectral_norm", parametrizedSpectralNorm],
  ]);
  const parametrize = namespace("torch.nn.utils.parametrize", [
    ["register_parametrization", registerParametrization],
    ["is_parametrized", isParametrized],
  ]);
  const utils = namespace("torch.nn.utils", [
    ["clip_grad_norm_", clip],
    ["clip_grad_value_", clip],
    ["weight_norm", weightNorm],
    ["spectral_norm", spectralNorm],
    ["parametrizations", parametrizations],
    ["parametrize", parametrize],
    ["rnn", rnn],
  ]);
  return namespace("torch.nn", [
    ...classes,
    ["functional", functional],
    ["init", init],
    ["parameter", parameter],
    ["modules", layerModules],
    ["utils", utils],
  ]);
}
