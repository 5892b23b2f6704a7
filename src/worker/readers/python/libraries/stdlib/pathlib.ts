import { posix } from "node:path";
import { type NativeBody, nativeOfUnknown } from "../../values/native";
import { builtinClass, OBJECT, PyProperty } from "../../values/types";
import { Unknown } from "../../values/unknown";
import { PyObject, PyTuple, type Value } from "../../values/values";
import { namespace } from "./namespace";

/**
 * pathlib as far as it makes paths of paths. The folder that a program is started in is ".": where that is is looked for
 * when a file is opened.
 */

const made = (args: readonly Value[]): Value => joinedPath(args.length === 0 ? ["."] : args);
const PURE_PATH = builtinClass("PurePath", [OBJECT], made);
const PATH = builtinClass("Path", [PURE_PATH], made);

class PyPath extends PyObject {
  /** Without a slash at its end, and without steps that lead nowhere. */
  readonly text: string;

  constructor(text: string) {
    super(PATH, undefined);
    this.text = tidy(text);
  }
}

/** The text of a path, whether it is a Path or text; unknown for anything else. */
export function textOfPath(value: Value | undefined): string | Unknown {
  if (typeof value === "string") return value.replaceAll("\\", "/");
  const own = value instanceof PyPath ? value.text : value instanceof PyObject ? value.payload : undefined;
  if (typeof own === "string") return own;
  return value instanceof Unknown ? value : new Unknown("a path that is no text is not followed");
}

function tidy(text: string): string {
  const absolute = /^(\/|[A-Za-z]:\/)/.exec(text)?.[0] ?? "";
  const parts = text.slice(absolute.length).split("/");
  return absolute + parts.filter((part) => part !== "" && part !== ".").join("/") || ".";
}

const isAbsolute = (text: string): boolean => /^(\/|[A-Za-z]:\/)/.test(text);

/** Parts one after the other; one that is absolute is where the path starts. */
export function joinPaths(parts: readonly Value[]): string | Unknown {
  let joined = "";
  for (const part of parts) {
    const text = textOfPath(part);
    if (text instanceof Unknown) return text;
    joined = isAbsolute(text) || joined === "" ? text : `${joined.replace(/\/$/, "")}/${text}`;
  }
  return joined;
}

const joinedPath = (parts: readonly Value[]): Value => {
  const joined = joinPaths(parts);
  return joined instanceof Unknown ? joined : new PyPath(joined);
};

/** The folder that a path is in; of the folder that a program is started in the one above it. */
function parentOf(text: string): string {
  if (text === "." || /(^|\/)\.\.$/.test(text)) return text === "." ? ".." : `${text}/..`;
  return posix.dirname(text);
}

function parentsOf(text: string): string[] {
  const found: string[] = [];
  for (let at = text; found.length < 64; ) {
    const above = at === "." ? at : posix.dirname(at);
    if (above === at) break;
    found.push(above);
    at = above;
  }
  return found;
}

const items = (value: Value | undefined): readonly Value[] => (value instanceof PyTuple ? value.items : []);
const own = (self: Value | undefined): string => String(textOfPath(self));

function method(name: string, signature: string, body: NativeBody): void {
  PURE_PATH.members.set(name, nativeOfUnknown(name, signature, body));
}

function property(name: string, body: (text: string) => Value): void {
  const getter = nativeOfUnknown(name, "self", ({ self }) => body(own(self)));
  PURE_PATH.members.set(name, new PyProperty(getter, null, false));
}

method("__truediv__", "self, other", ({ self, other }) => joinedPath([self!, other!]));
method("__rtruediv__", "self, other", ({ self, other }) => joinedPath([other!, self!]));
method("joinpath", "self, *parts", ({ self, parts }) => joinedPath([self!, ...items(parts)]));
for (const name of ["__str__", "__fspath__", "as_posix"]) method(name, "self", ({ self }) => own(self));
for (const name of ["resolve", "absolute", "expanduser"])
  method(name, "self, *args, **kwargs", ({ self }) => {
    const text = own(self);
    return new PyPath(isAbsolute(text) ? posix.normalize(text) : text);
  });
method("with_suffix", "self, suffix", ({ self, suffix }) => {
  const { dir, name } = posix.parse(own(self));
  return joinedPath([dir, `${name}${String(suffix)}`]);
});
method("with_name", "self, name", ({ self, name }) => joinedPath([posix.dirname(own(self)), name!]));
method("__eq__", "self, other", ({ self, other }) => other instanceof PyPath && other.text === own(self));
property("parent", (text) => new PyPath(parentOf(text)));
property("parents", (text) => new PyTuple(parentsOf(text).map((each) => new PyPath(each))));
property("name", (text) => posix.basename(text));
property("stem", (text) => posix.parse(text).name);
property("suffix", (text) => posix.parse(text).ext);
property("parts", (text) => new PyTuple(text.split("/")));
PURE_PATH.missing = (name) => `${name} of a path is not evaluated`;

/** What looks at files is given by whoever may. */
export function addPathMethod(name: string, signature: string, body: NativeBody): void {
  method(name, signature, body);
}

PATH.members.set(
  "cwd",
  nativeOfUnknown("cwd", "*args", () => new PyPath(".")),
);
PATH.members.set(
  "home",
  nativeOfUnknown("home", "*args", (_args, ev) => new Unknown("the user's folder is not read", ev.place)),
);

export const PATHLIB = namespace("pathlib", [
  ["Path", PATH],
  ["PurePath", PURE_PATH],
  ["PosixPath", PATH],
]);
