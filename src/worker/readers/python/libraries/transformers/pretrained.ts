import { readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { configAt, pythonValue } from "../../models/configuration/configFile";
import { storedTensors } from "../../models/tree";
import { dictGet } from "../../values/equality";
import type { Evaluator } from "../../values/evaluator";
import { nativeOfUnknown } from "../../values/native";
import { PyWrapped } from "../../values/types";
import { Unknown } from "../../values/unknown";
import {
  PyClass,
  PyDict,
  PyDType,
  PyNamespace,
  type PyNative,
  PyObject,
  type PyTensor,
  type Value,
} from "../../values/values";

/**
 * `from_pretrained`: the model of the configuration that lies in the named folder, or in Hugging Face's cache on this
 * machine. The folder is remembered for jobs that read its weights; nothing is downloaded.
 */

/** What a repository on the Hub is called; no path. */
const REPOSITORY = /^[A-Za-z0-9][\w.-]*(\/[A-Za-z0-9][\w.-]*)?$/;
const COMMIT = /^[0-9a-f]{6,64}$/;
const MAX_REF_BYTES = 200;

/** https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables */
function cacheFolder(): string {
  const { HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME } = process.env;
  return HF_HUB_CACHE ?? join(HF_HOME ?? join(XDG_CACHE_HOME ?? join(homedir(), ".cache"), "huggingface"), "hub");
}

/** Where a repository's downloads lie, the one that the revision names first: `models--org--name/snapshots/<commit>`. */
function* cachedFolders(repository: string, revision: string): Generator<string> {
  const folder = join(cacheFolder(), `models--${repository.replaceAll("/", "--")}`);
  const commits: string[] = [];
  try {
    const named = COMMIT.test(revision)
      ? revision
      : readFileSync(join(folder, "refs", revision), "utf8")
          .slice(0, MAX_REF_BYTES)
          .trim();
    if (COMMIT.test(named)) commits.push(named);
  } catch {
    // A download that was cut off has no such entry: what there is of it may do.
  }
  try {
    commits.push(...readdirSync(join(folder, "snapshots")).filter((name) => COMMIT.test(name)));
  } catch {
    // Never downloaded.
  }
  for (const commit of new Set(commits)) yield join(folder, "snapshots", commit);
}

/** A folder that the code names: beside the file, at the root of its project, or anywhere on this machine. */
function folders(ev: Evaluator, name: string): string[] {
  // A path to another machine would be a connection to it.
  if (/^(\\\\|\/\/)/.test(name)) return [];
  if (isAbsolute(name)) return [name];
  const { package: home } = ev.globals;
  return [...new Set([dirname(resolve(ev.main.file)), ...(home ? [home.root] : [])])].map((root) => join(root, name));
}

interface Located {
  readonly folder: string;
  /** The configuration file's fields, or what is wrong with it. */
  readonly fields: Record<string, unknown> | string;
}

/** The first place that has a config.json; why there is none. */
function locate(ev: Evaluator, name: string, given: ReadonlyMap<string, Value>): Located | string {
  const revision = given.get("revision") ?? "main";
  const isRepository = REPOSITORY.test(name) && typeof revision === "string" && REPOSITORY.test(revision);
  for (const folder of [...folders(ev, name), ...(isRepository ? cachedFolders(name, revision) : [])]) {
    const file = join(folder, "config.json");
    const found = configAt(file);
    if (found === undefined) continue;
    ev.consulted.add(file);
    return { folder, fields: typeof found === "string" ? found : found.fields };
  }
  return `"${name}" is neither a folder with a config.json nor in Hugging Face's cache (${cacheFolder()}). Load it once in Python to see its layers`;
}

/** The layers that would be here are told to be missing. */
function missing(ev: Evaluator, why: string): Unknown {
  ev.problem(`the layers of this model are not shown: ${why}`, "information");
  return new Unknown(why, ev.place);
}

/** The configuration class that transformers has for the file's `model_type`. */
function typeFor(ev: Evaluator, fields: Record<string, unknown>): Value | undefined {
  const auto = ev.resolveImport("transformers.models.auto.configuration_auto");
  const names = auto instanceof PyNamespace ? auto.get("CONFIG_MAPPING_NAMES") : undefined;
  const name = names instanceof PyDict ? dictGet(names, pythonValue(fields.model_type ?? null)) : undefined;
  const home = ev.resolveImport("transformers");
  return typeof name === "string" && home instanceof PyNamespace ? home.get(name) : undefined;
}

function keywords(kwargs: Value | undefined): Map<string, Value> {
  const entries = kwargs instanceof PyDict ? [...kwargs.entries.values()] : [];
  return new Map(entries.map((entry) => [String(entry.key), entry.value]));
}

/** @param type the class asked for, when it is one of a single kind of model. */
function configuration(
  ev: Evaluator,
  located: Located | string,
  given: ReadonlyMap<string, Value>,
  type: PyClass | undefined,
): Value {
  const fields = typeof located === "string" ? located : located.fields;
  if (typeof fields === "string") return missing(ev, fields);
  const found = type ?? typeFor(ev, fields);
  if (found === undefined)
    return missing(ev, `the installed transformers has no model of type ${JSON.stringify(fields.model_type ?? null)}`);
  const values = Object.entries(fields).filter(([key]) => key !== "model_type");
  const config = ev.call(found, [], new Map(values.map(([key, value]) => [key, pythonValue(value)])));
  // Arguments that are the configuration's own change it: num_labels=2.
  for (const [key, value] of given) {
    if (!LOADING.has(key) && config instanceof PyObject && ev.tryAttribute(config, key) !== undefined)
      ev.setAttribute(config, key, value);
  }
  return config;
}

/** Arguments about loading that do not affect the layers. */
const LOADING = new Set(["dtype", "torch_dtype", "name_or_path", "attn_implementation", "revision"]);

/** In the precision that the call asks for. */
function inPrecision(ev: Evaluator, model: Value, given: ReadonlyMap<string, Value>): Value {
  const dtype = given.get("dtype") ?? given.get("torch_dtype");
  return dtype instanceof PyDType ? ev.call(ev.getAttribute(model, "to"), [dtype]) : model;
}

const SIGNATURE = "cls, pretrained_model_name_or_path, *args, config=None, **kwargs";

function fromPretrained(make: (ev: Evaluator, cls: Value, config: Value) => Value): PyWrapped {
  const method: PyNative = nativeOfUnknown("from_pretrained", SIGNATURE, (args, ev) => {
    const given = keywords(args.kwargs);
    const { pretrained_model_name_or_path: name } = args;
    if (typeof name !== "string") return unnamed(ev);
    const located = locate(ev, name, given);
    const config = args.config ?? configuration(ev, located, given, undefined);
    if (config instanceof Unknown) return config;
    const model = inPrecision(ev, make(ev, args.cls!, config), given);
    if (model instanceof PyObject && model.module && typeof located !== "string") {
      const checkpoint = { name, folder: located.folder };
      const names = new Map<PyTensor, string[]>();
      for (const [path, tensor] of storedTensors(model)) names.set(tensor, [...(names.get(tensor) ?? []), path]);
      // The tensor keeps this origin when it is copied or moved to another module; initializing it again removes the
      // origin.
      for (const [{ stored }, own] of names) if (stored) stored.loaded = { from: checkpoint, names: own };
      model.module.checkpoint = checkpoint;
    }
    return model;
  });
  return new PyWrapped("class", method);
}

function unnamed(ev: Evaluator): Unknown {
  return new Unknown("the name of the loaded checkpoint is not known", ev.place);
}

/** Of a model class. */
export const MODEL_FROM_PRETRAINED = fromPretrained((ev, cls, config) => ev.call(cls, [config]));

/** Of `AutoModelForCausalLM` and the like. */
export const AUTO_FROM_PRETRAINED = fromPretrained((ev, cls, config) =>
  ev.call(ev.getAttribute(cls, "from_config"), [config]),
);

/** Of a configuration class, and of `AutoConfig`, which has the file say the class. */
export const CONFIG_FROM_PRETRAINED = new PyWrapped(
  "class",
  nativeOfUnknown("from_pretrained", "cls, pretrained_model_name_or_path, **kwargs", (args, ev) => {
    const { cls } = args;
    const own = cls instanceof PyClass && cls.name !== "AutoConfig" ? cls : undefined;
    const { pretrained_model_name_or_path: name } = args;
    const given = keywords(args.kwargs);
    return typeof name === "string" ? configuration(ev, locate(ev, name, given), given, own) : unnamed(ev);
  }),
);
