import type { SourcePlace } from "../../../graph/node";
import { named, namespace } from "../libraries/stdlib/namespace";
import { addPathMethod, textOfPath } from "../libraries/stdlib/pathlib";
import type { Evaluator } from "../values/evaluator";
import { native, nativeOfUnknown } from "../values/native";
import { builtinClass, OBJECT } from "../values/types";
import { Unknown } from "../values/unknown";
import { type PyNamespace, PyObject, type Value } from "../values/values";
import { type Data, type Dialect, Refused } from "./data";
import { valueOfData } from "./entries";
import { type Format, isConfiguration, locateFile, readData, readText } from "./files";
import { parseJson } from "./json";
import { MAX_YAML, parseYaml } from "./yaml";

/**
 * `open(path)`, `json.load` and `yaml.safe_load`: the values of configuration files that lie in the project. Other files
 * are data and are not opened, nothing is written, and nothing outside of the project is read.
 */

const TEXT_FILE = builtinClass("TextIOWrapper", [OBJECT]);

class PyTextFile extends PyObject {
  constructor(
    place: SourcePlace | undefined,
    readonly file: string,
  ) {
    super(TEXT_FILE, place);
  }
}

export function fileOf(value: Value | undefined): string | undefined {
  return value instanceof PyTextFile ? value.file : undefined;
}

/** The file that a path names, as an object to read from; unknown, with the reason, where it is not read. */
export function openFile(ev: Evaluator, path: Value, mode: Value): Value {
  const text = textOfPath(path);
  if (text instanceof Unknown) return text;
  if (typeof mode !== "string" || !/^[rtbU]*$/.test(mode)) return new Unknown("open() writes a file here", ev.place);
  const file = configurationAt(ev, text);
  return file instanceof Unknown ? file : new PyTextFile(ev.place, file);
}

/** The configuration file that a path names. */
export function configurationAt(ev: Evaluator, path: string): string | Unknown {
  if (!isConfiguration(path)) return new Unknown(`${path} is not read: only .json, .yaml and .yml files are`, ev.place);
  const found = locateFile(ev, path);
  if (found instanceof Refused) return new Unknown(found.why, ev.place);
  ev.consulted.add(found.file);
  return found.file;
}

export function textOfFile(ev: Evaluator, file: string): Value {
  const text = readText(ev, file);
  if (text instanceof Refused) return new Unknown(`${file} is not used: ${text.why}`, ev.place);
  ev.allot(text.length, "a string");
  ev.session.texts.set(text, file);
  ev.provenance.touch(file);
  return text;
}

TEXT_FILE.members.set(
  "__enter__",
  native("__enter__", "self", ({ self }) => self!),
);
for (const name of ["__exit__", "close", "seek"])
  TEXT_FILE.members.set(
    name,
    nativeOfUnknown(name, "self, *args", () => null),
  );
TEXT_FILE.members.set(
  "read",
  native("read", "self", ({ self }, ev) => textOfFile(ev, fileOf(self)!)),
);
TEXT_FILE.members.set(
  "__iter__",
  native("__iter__", "self", (_args, ev) => new Unknown("the lines of a file are not read", ev.place)),
);
TEXT_FILE.missing = (name) => `${name} of a file is not evaluated`;

/** What is read: a file's data, or that of text which the code has. */
export function dataFrom(ev: Evaluator, given: Value, format: Format): Data | Unknown {
  const file = fileOf(given);
  const refused = (why: string, name: string) => new Unknown(`${name} is not used: ${why}`, ev.place);
  if (file !== undefined) {
    const data = readData(ev, file, format);
    if (data instanceof Refused) return refused(data.why, file);
    ev.provenance.touch(file);
    return data;
  }
  if (given instanceof Unknown) return given;
  if (typeof given !== "string") return new Unknown("the argument parsed here is neither a file nor text", ev.place);
  if (given.length > MAX_YAML) return new Unknown("the text that is parsed here is too long", ev.place);
  const from = ev.session.texts.get(given);
  const data = format === "json" ? parseJson(given, from) : parseYaml(given, from, format);
  return data instanceof Refused ? refused(data.why, from || "the text") : data;
}

function loader(name: string, signature: string, first: string, format: Format) {
  return nativeOfUnknown(name, signature, (args, ev) => valueOfData(ev, dataFrom(ev, args[first]!, format) as Data));
}

/** What is written, or made into text. */
const UNREAD = ["dump", "dumps", "safe_dump"].map((name) =>
  nativeOfUnknown(name, "*args, **kwargs", (_args, ev) => new Unknown(`${name}() is not evaluated`, ev.place)),
);

export const JSON_MODULE: PyNamespace = namespace("json", [
  ...named([loader("load", "fp, **kwargs", "fp", "json"), loader("loads", "s, **kwargs", "s", "json")]),
  ...named(UNREAD),
  ["JSONDecodeError", builtinClass("JSONDecodeError", [OBJECT])],
  ["JSONEncoder", builtinClass("JSONEncoder", [OBJECT])],
]);

const PYYAML: Dialect = "pyyaml";
export const YAML_MODULE: PyNamespace = namespace("yaml", [
  ...named([
    loader("safe_load", "stream", "stream", PYYAML),
    loader("full_load", "stream", "stream", PYYAML),
    loader("unsafe_load", "stream", "stream", PYYAML),
    loader("load", "stream, Loader=None", "stream", PYYAML),
  ]),
  ...named(UNREAD),
  ...[
    "SafeLoader",
    "FullLoader",
    "UnsafeLoader",
    "Loader",
    "BaseLoader",
    "CLoader",
    "CSafeLoader",
    "SafeDumper",
    "Dumper",
    "YAMLError",
  ].map((name) => [name, builtinClass(name, [OBJECT])] as const),
]);

export const OPEN = nativeOfUnknown("open", "file, mode='r', *args, **kwargs", ({ file, mode }, ev) =>
  openFile(ev, file!, mode!),
);

addPathMethod("open", "self, mode='r', *args, **kwargs", ({ self, mode }, ev) => openFile(ev, self!, mode!));
addPathMethod("read_text", "self, *args, **kwargs", ({ self }, ev) => {
  const object = openFile(ev, self!, "r");
  return object instanceof Unknown ? object : textOfFile(ev, fileOf(object)!);
});
// What is not in the project may be elsewhere.
for (const name of ["exists", "is_file"])
  addPathMethod(name, "self", ({ self }, ev) => {
    const text = textOfPath(self);
    const found = text instanceof Unknown ? text : configurationAt(ev, text);
    return found instanceof Unknown ? found : true;
  });
