import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { dictGet } from "../values/equality";
import type { Evaluator } from "../values/evaluator";
import { nativeOfUnknown } from "../values/native";
import { Unknown } from "../values/unknown";
import { LazyNamespace, PyDict, PyNamespace, type PyNative, type Value } from "../values/values";

/**
 * timm's registry of models, which fills as all of its modules are run: here a model's function is found by looking for
 * its definition.
 */

const REGISTERED = /^@register_model\r?\ndef (\w+)\(/gm;
/** `register_model_deprecations(__name__, {'old_name': 'new_name.tag'})` */
const DEPRECATIONS = /^register_model_deprecations\(__name__, \{([^}]*)\}/gm;
const DEPRECATED = /'([\w.]+)': '([\w.]+)'/g;
/** The longest of timm's modules has 200 kB. */
const MAX_BYTES = 4 * 1024 * 1024;

/** `register_block('mobilevit', MobileVitBlock)` */
const BLOCKS = /^register_block\('(\w+)', (\w+)\)/gm;

interface Index {
  /** Which module defines a model's function. */
  readonly modules: ReadonlyMap<string, string>;
  /** What models are called now that had other names. */
  readonly renamed: ReadonlyMap<string, string>;
  /** By module: blocks that it adds to those of byobnet, with the classes. */
  readonly blocks: ReadonlyMap<string, readonly (readonly [name: string, type: string])[]>;
}

/** By folder: an installed library stays as it is. */
class Indices {
  readonly byFolder = new Map<string, Index>();
}

function indexOf(ev: Evaluator, folder: string): Index {
  const { byFolder } = ev.session.memory.of(Indices);
  const known = byFolder.get(folder);
  if (known) return known;
  const [modules, renamed] = [new Map<string, string>(), new Map<string, string>()];
  const blocks = new Map<string, (readonly [string, string])[]>();
  for (const name of readdirSync(folder).filter((file) => /^[a-z]\w*\.py$/.test(file))) {
    const file = statSync(join(folder, name), { throwIfNoEntry: false });
    if (!file?.isFile() || file.size > MAX_BYTES) continue;
    const text = readFileSync(join(folder, name), "utf8");
    const stem = name.slice(0, -".py".length);
    for (const [, model] of text.matchAll(REGISTERED)) modules.set(model!, stem);
    blocks.set(
      stem,
      [...text.matchAll(BLOCKS)].map(([, block, type]) => [block!, type!]),
    );
    for (const [, table] of text.matchAll(DEPRECATIONS))
      for (const [, old, current] of table!.matchAll(DEPRECATED)) renamed.set(old!, current!);
  }
  const index = { modules, renamed, blocks };
  byFolder.set(folder, index);
  return index;
}

function installed(ev: Evaluator): Index | undefined {
  const models = ev.resolveImport("timm.models");
  const file = models instanceof LazyNamespace ? models.get("__file__") : undefined;
  return typeof file === "string" ? indexOf(ev, dirname(file)) : undefined;
}

/** The module of timm that defines the model. */
function moduleOf(ev: Evaluator, model: string): PyNamespace | undefined {
  const index = installed(ev);
  const stem = index?.modules.get(model);
  const found = stem === undefined ? undefined : ev.resolveImport(`timm.models.${stem}`);
  if (!index || stem === undefined || !(found instanceof PyNamespace)) return undefined;
  for (const [block, type] of index.blocks.get(stem) ?? []) {
    const [register, made] = [found.get("register_block"), found.get(type)];
    if (register !== undefined && made !== undefined) ev.call(register, [block, made]);
  }
  return found;
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
    if (typeof name !== "string") return new Unknown("the name of the timm model is not known", ev.place);
    const { model, tag } = partsOf(installed(ev)?.renamed.get(name) ?? name);
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
