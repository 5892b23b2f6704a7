import { PyDType, PyError, PyFloat, PyNamespace, PyNative, PyTuple, type Value } from "../../../values/values";
import { autogradModules } from "../autogradFunction";
import { LARGEST } from "../functions/elementwise";
import { EPSILON } from "../functions/neural";
import { torchFunctions } from "../registry/table";
import { complexDType } from "../tensor/complex";
import { dtypeMembers } from "../tensor/dtypes";
import { deviceClass, tensorClass } from "../tensor/tensorClass";
import { makeAccelerator, makeBackends, makeCuda } from "./devices";
import { makeLinalg, makeSpecial } from "./mathematics";
import { makeNn } from "./nn";
import { JIT, STATES, surroundings } from "./surroundings";
import { identity, namespace, transparent } from "./wrappers";

/** torch itself. */

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

function makeJit(): PyNamespace {
  return namespace("torch.jit", [
    ...["script", "export", "ignore", "unused"].map((name) => [name, identity(name)] as const),
    ...JIT,
  ]);
}

function makeUtils(): PyNamespace {
  const checkpoint = namespace("torch.utils.checkpoint", [
    [
      "checkpoint",
      new PyNative("checkpoint", "function, *args, use_reentrant=None, **kwargs", (args, runtime) =>
        runtime.call(args.function ?? null, args.args instanceof PyTuple ? args.args.items : []),
      ),
    ],
  ]);
  return namespace("torch.utils", [["checkpoint", checkpoint]]);
}

export function makeTorch(): PyNamespace {
  const around = [...surroundings(transparent("autocast")), ...autogradModules()];
  return namespace("torch", [
    ...torchFunctions,
    ...dtypeMembers(),
    ["nn", makeNn()],
    ["linalg", makeLinalg()],
    ["jit", makeJit()],
    ["cuda", makeCuda()],
    ["accelerator", makeAccelerator()],
    ["utils", makeUtils()],
    ["backends", makeBackends()],
    ["special", makeSpecial()],
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
}
