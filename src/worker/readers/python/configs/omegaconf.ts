import { dataclassFields } from "../evaluate/objects/dataclasses";
import { named, namespace } from "../libraries/stdlib/namespace";
import { textOfPath } from "../libraries/stdlib/pathlib";
import { keyOf } from "../values/equality";
import type { Evaluator } from "../values/evaluator";
import { native, nativeOfUnknown } from "../values/native";
import { builtinClass, OBJECT } from "../values/types";
import { Unknown } from "../values/unknown";
import { PyClass, PyDict, PyList, type PyNamespace, PyObject, PyTuple, type Value } from "../values/values";
import { Refused } from "./data";
import {
  configOf,
  configOfData,
  configOfObject,
  containerOf,
  DICT_CONFIG,
  entriesOf,
  isConfig,
  LIST_CONFIG,
  mergeInto,
  newConfig,
} from "./dictConfig";
import { formatOf, readData } from "./files";
import { select } from "./interpolation";
import { configurationAt, dataFrom, fileOf } from "./reading";
import { plainScalar } from "./scalars";

/** The module omegaconf. https://omegaconf.readthedocs.io/en/2.3_branch/usage.html */

function load(ev: Evaluator, given: Value): Value {
  if (fileOf(given) !== undefined) return created(ev, given);
  const path = textOfPath(given);
  if (path instanceof Unknown) return path;
  const file = configurationAt(ev, path);
  if (file instanceof Unknown) return file;
  const data = readData(ev, file, formatOf(file, "omegaconf"));
  if (data instanceof Refused) return new Unknown(`${file} is not used: ${data.why}`, ev.place);
  ev.provenance.touch(file);
  return configOfData(ev, data ?? null) ?? newConfig(ev, undefined);
}

/** OmegaConf.create: of a dict, a list, YAML's text, a data class or its instance. */
function created(ev: Evaluator, given: Value): Value {
  if (given instanceof Unknown) return given;
  if (given === null) return newConfig(ev, undefined);
  if (typeof given === "string" || fileOf(given) !== undefined) {
    const data = dataFrom(ev, given, "omegaconf");
    if (data === null) return newConfig(ev, undefined);
    return data instanceof Unknown ? data : configOfData(ev, data);
  }
  if (given instanceof PyClass && dataclassFields(given)) return created(ev, ev.call(given, []));
  if (given instanceof PyObject && dataclassFields(given.type)) return configOfObject(ev, given);
  if (given instanceof PyObject) return new Unknown(`OmegaConf.create(${given.type.name}) is not followed`, ev.place);
  return configOf(ev, given);
}

function merged(ev: Evaluator, configs: readonly Value[]): Value {
  const into = newConfig(ev, undefined);
  for (const given of configs) {
    const config = created(ev, given);
    if (config instanceof Unknown) return config;
    if (!(config instanceof PyDict)) return new Unknown("lists are not merged by the reader", ev.place);
    mergeInto(ev, into, config);
  }
  return into;
}

/** `["model.width=8", ...]` as the command line has them. */
export function applyDotlist(ev: Evaluator, into: PyDict, list: readonly Value[]): void {
  for (const item of list) {
    const [, path, text] = /^\+{0,2}([\w.]+)=([\s\S]*)$/.exec(String(item)) ?? [];
    if (path !== undefined) put(ev, into, path, plainScalar(text!, "omegaconf"));
  }
}

/** Gives the path the value; dictionaries on the way are made where there are none. */
export function put(ev: Evaluator, into: PyDict, path: string, value: Value): void {
  const parts = path.split(".");
  let at = into;
  for (const part of parts.slice(0, -1)) {
    const before = at.entries.get(`s${part}`)?.value;
    if (before instanceof PyDict) at = before;
    else {
      const made = newConfig(ev, entriesOf(at));
      entriesOf(at)?.setRaw(`s${part}`, { key: part, value: made, file: undefined });
      at = made;
    }
  }
  const name = parts.at(-1)!;
  at.entries.set(keyOf(name), { key: name, value });
}

const items = (value: Value | undefined): readonly Value[] => (value instanceof PyTuple ? value.items : []);

const OMEGACONF_CLASS = namespace(
  "omegaconf.OmegaConf",
  named([
    nativeOfUnknown("load", "file_", ({ file_ }, ev) => load(ev, file_!)),
    nativeOfUnknown("create", "obj=None, *args, **kwargs", ({ obj }, ev) => created(ev, obj!)),
    nativeOfUnknown("structured", "obj, *args, **kwargs", ({ obj }, ev) => created(ev, obj!)),
    nativeOfUnknown("merge", "*configs", ({ configs }, ev) => merged(ev, items(configs))),
    nativeOfUnknown("unsafe_merge", "*configs", ({ configs }, ev) => merged(ev, items(configs))),
    // The program is taken to be started without arguments.
    nativeOfUnknown("from_cli", "args_list=None", (_args, ev) => newConfig(ev, undefined)),
    native("from_dotlist", "dotlist", ({ dotlist }, ev) => {
      const made = newConfig(ev, undefined);
      applyDotlist(ev, made, [...ev.iterate(dotlist!)]);
      return made;
    }),
    nativeOfUnknown("to_container", "cfg, *, resolve=False, **kwargs", ({ cfg, resolve }, ev) =>
      cfg instanceof Unknown ? cfg : containerOf(ev, cfg!, resolve === true),
    ),
    native("to_object", "cfg", ({ cfg }, ev) => containerOf(ev, cfg!, true)),
    nativeOfUnknown("select", "cfg, key, *, default=None, **kwargs", ({ cfg, key, default: otherwise }, ev) => {
      const at = entriesOf(cfg);
      if (!at || typeof key !== "string")
        return new Unknown("the result of OmegaConf.select() is not known here", ev.place);
      return select(ev, `.${key}`, at) ?? otherwise!;
    }),
    nativeOfUnknown("update", "cfg, key, value=None, **kwargs", ({ cfg, key, value }, ev) => {
      if (cfg instanceof PyDict && typeof key === "string") put(ev, cfg, key, value!);
      return null;
    }),
    nativeOfUnknown("register_new_resolver", "name, resolver, **kwargs", ({ name, resolver }, ev) => {
      ev.session.resolvers.set(String(name), resolver!);
      return null;
    }),
    nativeOfUnknown("register_resolver", "name, resolver, **kwargs", ({ name, resolver }, ev) => {
      ev.session.resolvers.set(String(name), resolver!);
      return null;
    }),
    ...["set_struct", "set_readonly", "resolve"].map((name) => nativeOfUnknown(name, "*args, **kwargs", () => null)),
    native("is_config", "obj", ({ obj }) => isConfig(obj!)),
    native("is_dict", "obj", ({ obj }) => entriesOf(obj) !== undefined),
    native("is_list", "obj", ({ obj }) => obj instanceof PyList && isConfig(obj)),
    native("is_missing", "cfg, key", ({ cfg, key }) => entriesOf(cfg)?.rawAt(`s${String(key)}`)?.value === "???"),
    nativeOfUnknown("to_yaml", "cfg, **kwargs", (_args, ev) => new Unknown("to_yaml() is not evaluated", ev.place)),
    nativeOfUnknown("save", "*args, **kwargs", () => null),
  ]),
);

/** `with open_dict(cfg):` lets keys be added, which is never refused here. */
const open = (name: string) => nativeOfUnknown(name, "config", () => new PyObject(OPENED, undefined));
const OPENED = builtinClass("nullcontext", [OBJECT]);
for (const name of ["__enter__", "__exit__"])
  OPENED.members.set(
    name,
    nativeOfUnknown(name, "self, *args", () => null),
  );

export const OMEGACONF: PyNamespace = namespace("omegaconf", [
  ["OmegaConf", OMEGACONF_CLASS],
  ["DictConfig", DICT_CONFIG],
  ["ListConfig", LIST_CONFIG],
  ["MISSING", "???"],
  ...named([
    open("open_dict"),
    open("read_write"),
    native("II", "interpolation", ({ interpolation }) => `\${${String(interpolation)}}`),
    native("SI", "interpolation", ({ interpolation }) => String(interpolation)),
  ]),
  ["OmegaConfBaseException", builtinClass("OmegaConfBaseException", [OBJECT])],
]);
