import { builtinClass } from "../../../values/types";
import {
  PyDict,
  PyDType,
  PyError,
  PyFloat,
  PyNamespace,
  PyNative,
  PyObject,
  PyTuple,
  type Value,
} from "../../../values/values";
import { EINOPS_LAYERS, EINOPS_MODULES } from "../../einops/einops";
import { FAIRSCALE_LAYERS, FAIRSCALE_MODULES } from "../../fairscale";
import { autogradModules } from "../autogradFunction";
import { dtypeMembers } from "../tensor/dtypes";
import "../functions";
import { LARGEST } from "../functions/elementwise";
import { EPSILON } from "../functions/neural";
import { norm } from "../functions/reductions";
import { parametrizedSpectralNorm, parametrizedWeightNorm, spectralNorm, weightNorm } from "../module/parametrizations";
import { isParametrized, registerParametrization } from "../module/parametrize";
import { initFunctions } from "../random/init";
import { complexDType } from "../tensor/complex";
import { CUDA, JIT, SEQUENCES, STATES, surroundings } from "./surroundings";
import "../layers";
import { layerBases } from "../layers/families";
import { layerClasses } from "../layers/layer";
import { moduleClass } from "../module/module";
import "../module/moduleMethods";
import "../module/stateDict";
import { bufferClass } from "../tensor/parameter";
import { wrap } from "../tensor/tensor";
import { cpuDevice, deviceClass, parameterClass, tensorClass } from "../tensor/tensorClass";
import { axesArg, boolArg, isNumber, numberOf } from "./arguments";
import { native } from "./native";
import { functionalFunctions, nodeArg, torchFunctions } from "./table";

/** The importable modules of torch, by dotted name. */

/** Functions that keep what they are given: torch.compile, torch.jit.script, autocast and no_grad as decorators. */
const identity = (name: string): PyNative =>
  new PyNative(
    name,
    "obj=None, *args, **kwargs",
    (args) => args.obj ?? new PyNative(name, "obj", (inner) => inner.obj ?? null),
  );

/** A context manager without effect, also usable as a decorator: `with torch.no_grad()`, `@torch.no_grad()`. */
function transparent(name: string): PyNative {
  const type = builtinClass(name, []);
  type.members.set("__enter__", new PyNative("__enter__", "self", (args) => args.self ?? null));
  type.members.set("__exit__", new PyNative("__exit__", "self, *args", () => false));
  type.members.set("__call__", new PyNative("__call__", "self, function", (args) => args.function ?? null));
  return new PyNative(name, "*args, **kwargs", (args, runtime) => {
    const first = args.args instanceof PyTuple ? args.args.items[0] : undefined;
    if (name === "autocast" && args.kwargs instanceof PyDict && autocasts(args.kwargs)) {
      runtime.problem("autocast: what it would compute in half precision is computed in float32 here", "information");
    }
    const called = first !== undefined && first !== null && typeof first === "object" && "definition" in first;
    return called ? first : new PyObject(type, runtime.place);
  });
}

function autocasts(kwargs: PyDict): boolean {
  return ![...kwargs.entries.values()].some(({ key, value }) => key === "enabled" && value === false);
}

function finfo(dtype: Value | undefined): Value {
  const name = dtype instanceof PyDType ? dtype.dtype : "float32";
  const [largest, eps] = [LARGEST[name], EPSILON[name]];
  if (largest === undefined || eps === undefined) {
    throw new PyError(
      "TypeError",
      `torch.finfo() requires a floating point input type. Use torch.iinfo to handle 'torch.${name}'`,
    );
  }
  const tiny: Record<string, number> = { float16: 2 ** -14, float64: 2 ** -1022 };
  const members = {
    max: largest,
    min: -largest,
    eps,
    tiny: tiny[name] ?? 2 ** -126,
    smallest_normal: tiny[name] ?? 2 ** -126,
  };
  return new PyNamespace(
    "torch.finfo",
    new Map<string, Value>(Object.entries(members).map(([k, v]) => [k, new PyFloat(v)])),
  );
}

function iinfo(dtype: Value | undefined): Value {
  const bits: Record<string, number> = { int8: 8, int16: 16, int32: 32, int64: 64 };
  const name = dtype instanceof PyDType ? dtype.dtype : "";
  const width = bits[name];
  const [low, high] = name === "uint8" ? [0, 255] : [-(2 ** ((width ?? 1) - 1)), 2 ** ((width ?? 1) - 1) - 1];
  if (width === undefined && name !== "uint8")
    throw new PyError("TypeError", "torch.iinfo() requires an integer input type");
  return new PyNamespace(
    "torch.iinfo",
    new Map<string, Value>([
      ["min", low],
      ["max", high],
    ]),
  );
}

function namespace(name: string, members: Iterable<readonly [string, Value]>): PyNamespace {
  return new PyNamespace(name, new Map(members));
}

/** Layers that torch.nn does not export. */
const LAYERS_INSIDE = ["NonDynamicallyQuantizableLinear"];
const LAYER_MODULES = [
  ...["activation", "adaptive", "batchnorm", "channelshuffle", "container", "conv", "distance", "dropout", "flatten"],
  ...["fold", "instancenorm", "linear", "loss", "module", "normalization", "padding", "pixelshuffle", "pooling", "rnn"],
  ...["sparse", "transformer", "upsampling"],
];

let modules: Map<string, PyNamespace> | undefined;

/** One object a module, as Python's sys.modules holds them. */
export function torchModules(): Map<string, PyNamespace> {
  modules ??= makeModules();
  return modules;
}

function makeModules(): Map<string, PyNamespace> {
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
  const nn = namespace("torch.nn", [
    ...classes,
    ["functional", functional],
    ["init", init],
    ["parameter", parameter],
    ["modules", layerModules],
    ["utils", utils],
  ]);
  const linalg = namespace("torch.linalg", [
    ["norm", vectorNorm("norm")],
    ["vector_norm", vectorNorm("vector_norm")],
    [
      "cross",
      native("cross", "input, other, *, dim=-1", (args, runtime) => torchFunctions.get("cross")!.body(args, runtime)),
    ] as const,
    ...["matmul", "multi_dot"].flatMap((name) => {
      const entry = torchFunctions.get(name);
      return entry ? [[name, entry] as const] : [];
    }),
  ]);
  const jit = namespace("torch.jit", [
    ...["script", "export", "ignore", "unused"].map((name) => [name, identity(name)] as const),
    ...JIT,
  ]);
  const cuda = namespace("torch.cuda", [
    ["is_available", new PyNative("is_available", "", () => false)],
    ["device_count", new PyNative("device_count", "", () => 0)],
    ["manual_seed", new PyNative("manual_seed", "seed", () => null)],
    ["manual_seed_all", new PyNative("manual_seed_all", "seed", () => null)],
    ...CUDA,
  ]);
  const around = [...surroundings(transparent("autocast")), ...autogradModules()];
  const accelerator = namespace("torch.accelerator", [
    ["is_available", new PyNative("is_available", "", () => false)],
    ["device_count", new PyNative("device_count", "", () => 0)],
    ["current_accelerator", new PyNative("current_accelerator", "check_available=False", () => cpuDevice)],
  ]);
  const checkpoint = namespace("torch.utils.checkpoint", [
    [
      "checkpoint",
      new PyNative("checkpoint", "function, *args, use_reentrant=None, **kwargs", (args, runtime) =>
        runtime.call(args.function ?? null, args.args instanceof PyTuple ? args.args.items : []),
      ),
    ],
  ]);
  const torchUtils = namespace("torch.utils", [["checkpoint", checkpoint]]);
  const backends = namespace("torch.backends", [
    ["mps", namespace("torch.backends.mps", [["is_available", new PyNative("is_available", "", () => false)]])],
  ]);
  const special = namespace(
    "torch.special",
    [
      "expit",
      "erf",
      "erfc",
      "erfinv",
      "log1p",
      "expm1",
      "exp2",
      "softmax",
      "log_softmax",
      "logsumexp",
      "logit",
      "sinc",
      "xlogy",
    ].flatMap((name) => {
      const entry = torchFunctions.get(name);
      return entry ? [[name, entry] as const] : [];
    }),
  );
  const torch = namespace("torch", [
    ...torchFunctions,
    ...dtypeMembers(),
    ["nn", nn],
    ["linalg", linalg],
    ["jit", jit],
    ["cuda", cuda],
    ["accelerator", accelerator],
    ["utils", torchUtils],
    ["backends", backends],
    ["special", special],
    ...around.map((m) => [m.name.slice("torch.".length), m] as const),
    ...STATES,
    ["Tensor", tensorClass],
    [
      "Size",
      new PyNative("Size", "sizes=()", (args, runtime) => new PyTuple([...runtime.iterate(args.sizes ?? null)])),
    ],
    ["device", deviceClass],
    ["compile", identity("compile")],
    ["no_grad", transparent("no_grad")],
    ["inference_mode", transparent("inference_mode")],
    ["enable_grad", transparent("enable_grad")],
    ["set_grad_enabled", transparent("set_grad_enabled")],
    ["autocast", transparent("autocast")],
    ["finfo", new PyNative("finfo", "type=None", (args) => finfo(args.type))],
    ["iinfo", new PyNative("iinfo", "type", (args) => iinfo(args.type))],
    ["get_default_dtype", new PyNative("get_default_dtype", "", () => dtypeMembers().get("float32") ?? null)],
    ["complex64", complexDType],
    ["cfloat", complexDType],
    ["pi", new PyFloat(Math.PI)],
    ["inf", new PyFloat(Number.POSITIVE_INFINITY)],
    ["nan", new PyFloat(Number.NaN)],
    ["strided", "torch.strided"],
    ["contiguous_format", "torch.contiguous_format"],
    ["__version__", "2.13.0"],
  ]);
  const all = [
    torch,
    nn,
    functional,
    init,
    parameter,
    layerModules,
    ...parts,
    utils,
    rnn,
    parametrizations,
    parametrize,
    linalg,
    jit,
    cuda,
    torchUtils,
    checkpoint,
    backends,
    special,
    ...around,
    ...EINOPS_MODULES,
    ...FAIRSCALE_MODULES,
  ];
  return new Map(all.map((m) => [m.name, m]));
}

function vectorNorm(name: string): PyNative {
  return native(name, "x, ord=2, dim=None, keepdim=False, *, dtype=None", (args, runtime) => {
    const x = nodeArg(args, "x", runtime);
    const p = isNumber(args.ord) ? numberOf(args.ord) : 2;
    return wrap(norm(x, p, axesArg(args, "dim", x.shape.length), boolArg(args, "keepdim")));
  });
}
