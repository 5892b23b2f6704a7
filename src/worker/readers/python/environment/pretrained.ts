import { readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { asRecord, configAt, pythonValue } from "../configFile";
import { dictGet } from "../equality";
import type { Evaluator } from "../evaluator";
import { nativeOfUnknown } from "../native";
import { PyWrapped } from "../types";
import { PyClass, PyDict, PyDType, PyNamespace, type PyNative, PyObject, Unknown, type Value } from "../values";

/**
 * `from_pretrained`: the model of the configuration that lies in the named folder, or in Hugging Face's cache on this
 * machine. Its weights are not read, and nothing is downloaded.
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

/** Where the file of a repository's newest download lies: `models--org--name/snapshots/<commit>/config.json`. */
function* cachedFiles(repository: string, revision: string, file: string): Generator<string> {
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
  for (const commit of new Set(commits)) yield join(folder, "snapshots", commit, file);
}

/** A folder that the code names: beside the file, at the root of its project, or anywhere on this machine. */
function folders(ev: Evaluator, name: string): string[] {
  // A path to another machine would be a connection to it.
  if (/^(\\\\|\/\/)/.test(name)) return [];
  if (isAbsolute(name)) return [name];
  const { package: home } = ev.globals;
  return [...new Set([dirname(resolve(ev.main.file)), ...(home ? [home.root] : [])])].map((root) => join(root, name));
}

/** The configuration file's fields, or why there are none. */
function fieldsOf(ev: Evaluator, name: string, revision: string): Record<string, unknown> | string {
  const places = [
    ...folders(ev, name).map((folder) => join(folder, "config.json")),
    ...(REPOSITORY.test(name) && REPOSITORY.test(revision) ? cachedFiles(name, revision, "config.json") : []),
  ];
  for (const place of places) {
    const found = configAt(place);
    if (found !== undefined) return typeof found === "string" ? found : found.fields;
  }
  return `"${name}" is no folder here with a config.json, and not in Hugging Face's cache (${cacheFolder()}). Load it once in Python, and its layers are shown`;
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
  name: Value,
  given: ReadonlyMap<string, Value>,
  type: PyClass | undefined,
): Value {
  if (typeof name !== "string") return new Unknown("which checkpoint is loaded is not known", ev.place);
  const revision = given.get("revision") ?? "main";
  const fields = fieldsOf(ev, name, typeof revision === "string" ? revision : "main");
  if (typeof fields === "string") return missing(ev, fields);
  const found = type ?? typeFor(ev, fields);
  if (found === undefined)
    return missing(ev, `the installed transformers has no model of type ${JSON.stringify(fields.model_type ?? null)}`);
  const values = Object.entries(asRecord(fields) ?? {}).filter(([key]) => key !== "model_type");
  const config = ev.call(found, [], new Map(values.map(([key, value]) => [key, pythonValue(value)])));
  // Arguments that are the configuration's own change it: num_labels=2.
  for (const [key, value] of given) {
    if (!LOADING.has(key) && config instanceof PyObject && ev.tryAttribute(config, key) !== undefined)
      ev.setAttribute(config, key, value);
  }
  return config;
}

/** How it is loaded, which is nothing to its layers. */
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
    const config = args.config ?? configuration(ev, args.pretrained_model_name_or_path!, given, undefined);
    if (config instanceof Unknown) return config;
    return inPrecision(ev, make(ev, args.cls!, config), given);
  });
  return new PyWrapped("class", method);
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
    return configuration(ev, args.pretrained_model_name_or_path!, keywords(args.kwargs), own);
  }),
);
