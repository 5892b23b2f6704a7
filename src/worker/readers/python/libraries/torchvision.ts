import type { Evaluator } from "../values/evaluator";
import { nativeOfUnknown } from "../values/native";
import { Unknown } from "../values/unknown";
import { PyDict, PyNamespace, type PyNative, type Value } from "../values/values";

/** Parts of torchvision around the functions that make its models: registering, old arguments, downloading. */

/** Modules about data and files, as code elsewhere imports them. */
const DATA = /^torchvision\.(datasets|transforms|io)(\.|$)/;

export function isVisionData(module: string): boolean {
  return DATA.test(module);
}

/** Arguments about weights, which are not read. What they would say of sizes are the models' own defaults. */
const ABOUT_WEIGHTS = /^(weights|weights_backbone|pretrained|pretrained_backbone|progress)$/;

function without(kwargs: Value | undefined): Map<string, Value> {
  const entries = kwargs instanceof PyDict ? [...kwargs.entries.values()] : [];
  return new Map(
    entries.map((e): [string, Value] => [String(e.key), e.value]).filter(([name]) => !ABOUT_WEIGHTS.test(name)),
  );
}

/** `@handle_legacy_interface(...)`: positional arguments are old ones, which were all about weights. */
const LEGACY_INTERFACE = nativeOfUnknown("handle_legacy_interface", "**weights", () =>
  nativeOfUnknown("decorator", "builder", ({ builder }) =>
    nativeOfUnknown("builder", "*args, **kwargs", ({ kwargs }, ev) => ev.call(builder!, [], without(kwargs))),
  ),
);

const REGISTER = nativeOfUnknown("register_model", "name=None", () =>
  nativeOfUnknown("decorator", "builder", ({ builder }) => builder!),
);

/** Where models that are made by name are looked for: get_model("quantized_resnet18") has a prefix of its own. */
const HOMES = ["", ".detection", ".segmentation", ".video", ".quantization", ".optical_flow"];

function builderOf(ev: Evaluator, name: string): Value | undefined {
  for (const home of HOMES) {
    const module = ev.resolveImport(`torchvision.models${home}`);
    const found = module instanceof PyNamespace ? module.get(name.toLowerCase().replace(/^quantized_/, "")) : undefined;
    if (found !== undefined && name.startsWith("quantized_") === (home === ".quantization")) return found;
  }
  return undefined;
}

const GET_MODEL = nativeOfUnknown("get_model", "name, **config", ({ name, config }, ev) => {
  if (typeof name !== "string") return new Unknown("the name of the torchvision model is not known", ev.place);
  const builder = builderOf(ev, name);
  if (builder !== undefined) return ev.call(builder, [], without(config));
  ev.problem(`the layers of this model are not shown: the installed torchvision has no ${name}`, "information");
  return new Unknown(`the installed torchvision has no ${name}`, ev.place);
});

const LOG_USAGE = nativeOfUnknown("_log_api_usage_once", "obj", () => null);

const NAMES = new Map<string, PyNative>(
  [LEGACY_INTERFACE, REGISTER, GET_MODEL, LOG_USAGE].map((native) => [native.name, native]),
);

/** What stands for a name of torchvision, whichever of its modules it is taken from. */
export function torchvisionName(module: string, name: string): Value | undefined {
  const isData = module === "torchvision" && isVisionData(`${module}.${name}`);
  return isData ? new Unknown(`torchvision.${name} prepares data, which is not read`) : NAMES.get(name);
}
