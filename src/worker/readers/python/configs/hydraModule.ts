import { dirname, resolve } from "node:path";
import type { Definition, Scope } from "../evaluate/scope";
import { named, namespace } from "../libraries/stdlib/namespace";
import { textOfPath } from "../libraries/stdlib/pathlib";
import type { FunctionStmt } from "../syntax/ast";
import type { Evaluator } from "../values/evaluator";
import { nativeOfUnknown } from "../values/native";
import { builtinClass, OBJECT, PyPartial } from "../values/types";
import { Unknown } from "../values/unknown";
import { PyDict, PyError, PyFunction, PyList, PyNamespace, PyObject, type Value } from "../values/values";
import { compose } from "./composition";
import { OMEGACONF } from "./omegaconf";
import { JSON_MODULE, YAML_MODULE } from "./reading";

/** The module hydra. https://hydra.cc/docs/intro */

/** The configuration that hydra gives the function, composed once in a reading. */
export function composedFor(ev: Evaluator, globals: Scope, node: FunctionStmt): Value | undefined {
  if (node.decorators.length === 0) return undefined;
  // Of a module that is imported what is asked for is evaluated: here its decorators.
  globals.lookup(node.name);
  const { mains, composed } = ev.session.hydra;
  const main = mains.get(node);
  if (!main) return undefined;
  const value = composed.get(node) ?? compose(ev, main);
  composed.set(node, value);
  return value;
}

const folderOf = (ev: Evaluator, path: Value): string | undefined => {
  const text = textOfPath(path);
  return text instanceof Unknown ? undefined : resolve(dirname(ev.source.file), text);
};

const MAIN = nativeOfUnknown("main", "config_path='.', config_name=None, version_base=None", (args, ev) => {
  const folder = args.config_path === null ? undefined : folderOf(ev, args.config_path!);
  const { config_name: name } = args;
  return nativeOfUnknown("main", "task_function", ({ task_function: fn }) => {
    const { node } = fn instanceof PyFunction ? (fn.definition as Definition) : { node: undefined };
    if (node?.kind === "Function" && folder !== undefined && typeof name === "string")
      ev.session.hydra.mains.set(node, { folder, name });
    return fn!;
  });
});

const GLOBAL = builtinClass("initialize", [OBJECT]);
for (const name of ["__enter__", "__exit__"])
  GLOBAL.members.set(
    name,
    nativeOfUnknown(name, "self, *args", () => null),
  );

const initialize = (name: string, parameter: string) =>
  nativeOfUnknown(name, `${parameter}=None, *args, **kwargs`, (args, ev) => {
    const folder = folderOf(ev, args[parameter]!);
    if (folder !== undefined) ev.session.hydra.initialized = folder;
    return new PyObject(GLOBAL, ev.place);
  });

const COMPOSE = nativeOfUnknown("compose", "config_name=None, overrides=None, *args, **kwargs", (args, ev) => {
  const folder = ev.session.hydra.initialized;
  const { config_name: name, overrides } = args;
  if (folder === undefined || typeof name !== "string")
    return new Unknown("the name of the composed configuration is not known", ev.place);
  const given = overrides instanceof PyList ? overrides.items : [];
  return compose(ev, { folder, name }, given.map(String));
});

const CONTROLS = new Set(["_target_", "_convert_", "_recursive_", "_partial_", "_args_"]);
const MAX_DEPTH = 24;

/** What a dotted name leads to: of modules first, as Python imports them. */
export function located(ev: Evaluator, path: string): Value | undefined {
  const parts = path.split(".");
  for (let length = parts.length - 1; length > 0; length--) {
    const module = ev.resolveImport(parts.slice(0, length).join("."));
    if (!(module instanceof PyNamespace)) continue;
    let value: Value | undefined = module;
    for (const part of parts.slice(length)) value = value && ev.tryAttribute(value, part);
    return value;
  }
  return undefined;
}

/** `hydra.utils.instantiate`: calls what `_target_` names with the other entries, inner ones first. */
export function instantiate(ev: Evaluator, value: Value, given = new Map<string, Value>(), depth = 0): Value {
  ev.step();
  if (depth > MAX_DEPTH) return new Unknown("a configuration nested this deeply is not instantiated", ev.place);
  if (value instanceof PyList)
    return new PyList(value.items.map((item) => instantiate(ev, item, new Map(), depth + 1)));
  if (!(value instanceof PyDict)) return value;
  const target = value.entries.get("s_target_")?.value;
  if (target === undefined) {
    if (given.size === 0 && !holdsTargets(value)) return value;
    const made = new PyDict();
    for (const { key, value: item } of value.entries.values())
      made.entries.set(`s${String(key)}`, { key, value: instantiate(ev, item, new Map(), depth + 1) });
    return made;
  }
  const { args, kwargs } = argumentsOf(ev, value, depth);
  for (const [name, item] of given) kwargs.set(name, item);
  if (target instanceof Unknown) return target;
  const callee = typeof target === "string" ? located(ev, target) : target;
  if (callee === undefined) return new Unknown(`_target_ ${String(target)} is not found`, ev.place);
  if (value.entries.get("s_partial_")?.value === true) return new PyPartial(callee, args, kwargs);
  return ev.call(callee, args, kwargs);
}

function holdsTargets(value: Value, depth = 0): boolean {
  if (depth > MAX_DEPTH) return false;
  if (value instanceof PyList) return value.items.some((item) => holdsTargets(item, depth + 1));
  if (!(value instanceof PyDict)) return false;
  if (value.entries.has("s_target_")) return true;
  return [...value.entries.values()].some((entry) => holdsTargets(entry.value, depth + 1));
}

/** What a configuration's entries give its target. */
export function argumentsOf(
  ev: Evaluator,
  config: PyDict,
  depth = 0,
): { readonly args: Value[]; readonly kwargs: Map<string, Value> } {
  const recursive = config.entries.get("s_recursive_")?.value !== false;
  const made = (value: Value) => (recursive ? instantiate(ev, value, new Map(), depth + 1) : value);
  const kwargs = new Map<string, Value>();
  for (const { key, value } of config.entries.values())
    if (typeof key === "string" && !CONTROLS.has(key)) kwargs.set(key, made(value));
  const positional = config.entries.get("s_args_")?.value;
  return { args: positional instanceof PyList ? positional.items.map(made) : [], kwargs };
}

const INSTANTIATE = nativeOfUnknown("instantiate", "config, *args, **kwargs", ({ config, kwargs }, ev) => {
  if (config instanceof Unknown) return config;
  if (!(config instanceof PyDict || config instanceof PyList || config === null))
    throw new PyError("InstantiationException", "instantiate() takes a configuration");
  const given = [...(kwargs as PyDict).entries.values()].filter(({ key }) => !CONTROLS.has(String(key)));
  return instantiate(ev, config, new Map(given.map(({ key, value }) => [String(key), value])));
});

const finder = (name: string) =>
  nativeOfUnknown(name, "path", ({ path }, ev) =>
    typeof path === "string"
      ? (located(ev, path) ?? new Unknown(`${path} is not found`, ev.place))
      : new Unknown("the name that is looked up here is not known", ev.place),
  );

const UTILS = namespace("hydra.utils", [
  ["instantiate", INSTANTIATE],
  ["call", INSTANTIATE],
  ...named([
    finder("get_class"),
    finder("get_method"),
    finder("get_object"),
    nativeOfUnknown("get_original_cwd", "", () => "."),
    nativeOfUnknown("to_absolute_path", "path", ({ path }) => path!),
  ]),
]);

const STORE = builtinClass("ConfigStore", [OBJECT]);
STORE.members.set(
  "instance",
  nativeOfUnknown("instance", "*args", () => new PyObject(STORE, undefined)),
);
STORE.members.set(
  "store",
  nativeOfUnknown("store", "self, *args, **kwargs", () => null),
);

const INITIALIZE = [initialize("initialize", "config_path"), initialize("initialize_config_dir", "config_dir")];

/** Modules that read configuration files or make models of them, by name. */
export const CONFIG_LIBRARIES: ReadonlyMap<string, PyNamespace> = new Map(
  [
    JSON_MODULE,
    YAML_MODULE,
    OMEGACONF,
    UTILS,
    namespace("hydra", [["main", MAIN], ["utils", UTILS], ["compose", COMPOSE], ...named(INITIALIZE)]),
    namespace("hydra.core.config_store", [["ConfigStore", STORE]]),
  ].map((module) => [module.name, module]),
);
