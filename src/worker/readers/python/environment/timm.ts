import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { dictGet } from "../equality";
import type { Evaluator } from "../evaluator";
import { nativeOfUnknown } from "../native";
import { LazyNamespace, PyDict, PyNamespace, type PyNative, Unknown, type Value } from "../values";

/**
 * timm's registry of models, which fills as all of its modules are run: here a model's function is found by looking for
 * its definition.
 */

const REGISTERED = /^@register_model\r?\ndef (\w+)\(/gm;
/** The longest of timm's modules has 200 kB. */
const MAX_BYTES = 4 * 1024 * 1024;

/** By folder: which module defines a model's function. */
const indices = new Map<string, ReadonlyMap<string, string>>();

function indexOf(folder: string): ReadonlyMap<string, string> {
  const known = indices.get(folder);
  if (known) return known;
  const index = new Map<string, string>();
  for (const name of readdirSync(folder).filter((file) => /^[a-z]\w*\.py$/.test(file))) {
    const text = readFileSync(join(folder, name), "utf8");
    if (text.length > MAX_BYTES) continue;
    for (const [, model] of text.matchAll(REGISTERED)) index.set(model!, name.slice(0, -".py".length));
  }
  indices.set(folder, index);
  return index;
}

/** The module of timm that defines the model. */
function moduleOf(ev: Evaluator, model: string): PyNamespace | undefined {
  const models = ev.resolveImport("timm.models");
  const file = models instanceof LazyNamespace ? models.get("__file__") : undefined;
  const stem = typeof file === "string" ? indexOf(dirname(file)).get(model) : undefined;
  const found = stem === undefined ? undefined : ev.resolveImport(`timm.models.${stem}`);
  return found instanceof PyNamespace ? found : undefined;
}

/** `vit_base_patch16_224.augreg_in21k`, `hf_hub:timm/resnet50.a1_in1k`: the model and the tag of its weights. */
function partsOf(name: string): { model: string; tag: string } {
  const [model, ...tag] = name
    .replace(/^[\w-]+:/, "")
    .split("/")
    .at(-1)!
    .split(".");
  return { model: model!, tag: tag.join(".") };
}

/** `timm.create_model`. Its weights are not read. */
const CREATE_MODEL = nativeOfUnknown(
  "create_model",
  "model_name, pretrained=False, pretrained_cfg=None, pretrained_cfg_overlay=None, checkpoint_path=None, cache_dir=None, scriptable=None, exportable=None, no_jit=None, **kwargs",
  ({ model_name: name, pretrained_cfg: given, kwargs }, ev) => {
    if (typeof name !== "string") return new Unknown("which of timm's models is made is not known", ev.place);
    const { model, tag } = partsOf(name);
    const make = moduleOf(ev, model)?.get(model);
    if (make === undefined) {
      ev.problem(`the layers of this model are not shown: the installed timm has no ${model}`, "information");
      return new Unknown(`the installed timm has no ${model}`, ev.place);
    }
    const entries = kwargs instanceof PyDict ? [...kwargs.entries.values()] : [];
    const own = entries.filter(({ value }) => value !== null).map((e): [string, Value] => [String(e.key), e.value]);
    const configuration = given ?? (tag === "" ? null : tag);
    return ev.call(make, [], new Map([...own, ["pretrained", false], ["pretrained_cfg", configuration]]));
  },
);

/** `get_pretrained_cfg`: what timm says of a model's weights, by which the model's classes and image are sized. */
const GET_PRETRAINED_CFG = nativeOfUnknown("get_pretrained_cfg", "model_name, allow_unregistered=True", (args, ev) => {
  if (typeof args.model_name !== "string") return null;
  const { model, tag } = partsOf(args.model_name);
  const all = moduleOf(ev, model)?.get("default_cfgs");
  const own = all instanceof PyDict ? dictGet(all, model) : undefined;
  // Written out as a dict where it is of the old kind: then timm's own defaults do.
  if (own === undefined || own instanceof PyDict) return null;
  if (tag === "") return ev.getAttribute(own, "default");
  const tagged = ev.getAttribute(own, "cfgs");
  return (tagged instanceof PyDict ? dictGet(tagged, tag) : undefined) ?? ev.getAttribute(own, "default");
});

/** What registers a definition gives it back. */
const AS_IT_IS: readonly PyNative[] = ["register_model", "register_notrace_module", "register_notrace_function"].map(
  (name) => nativeOfUnknown(name, "registered", ({ registered }) => registered!),
);

const NAMES = new Map([CREATE_MODEL, GET_PRETRAINED_CFG, ...AS_IT_IS].map((native) => [native.name, native]));

/** What stands for a name of timm, whichever of its modules it is taken from. */
export function timmName(name: string): Value | undefined {
  return NAMES.get(name);
}
