import { posix } from "node:path";
import { nativeOfUnknown } from "../../values/native";
import { builtinClass, OBJECT } from "../../values/types";
import { Unknown } from "../../values/unknown";
import { PyObject, PyTuple, type Value } from "../../values/values";
import { named, namespace } from "./namespace";
import { joinPaths, textOfPath } from "./pathlib";

/**
 * The part of `os` that says how a program is set up: an environment in which nothing is set, so that reading a
 * variable gives its default, and names of files. Anything else is unknown.
 */

const ENVIRON = builtinClass("_Environ", [OBJECT]);
for (const method of [
  nativeOfUnknown("get", "self, key, default=None", ({ default: otherwise }) => otherwise!),
  nativeOfUnknown("setdefault", "self, key, value", ({ value }) => value!),
  nativeOfUnknown("pop", "self, key, default=None", ({ default: otherwise }) => otherwise!),
  nativeOfUnknown("__setitem__", "self, key, value", () => null),
  nativeOfUnknown("__delitem__", "self, key", () => null),
  nativeOfUnknown("__contains__", "self, key", () => false),
  nativeOfUnknown(
    "__getitem__",
    "self, key",
    ({ key }, ev) =>
      new Unknown(`the environment variable ${String(key)} is not known while the file is read`, ev.place),
  ),
]) {
  ENVIRON.members.set(method.name, method);
}

/** A native of one path. */
const ofPath = (name: string, body: (text: string) => Value) =>
  nativeOfUnknown(name, "p, *args, **kwargs", ({ p }) => {
    const text = textOfPath(p);
    return text instanceof Unknown ? text : body(text);
  });

/** Of a relative path the folder stays open that it is relative to: the one that the program is started in. */
const absolute = (text: string): Value => posix.normalize(text);

const PATH = namespace(
  "os.path",
  named([
    nativeOfUnknown("join", "*parts", ({ parts }) => {
      const joined = joinPaths((parts as PyTuple).items);
      return joined instanceof Unknown ? joined : joined.replace(/\/{2,}/g, "/");
    }),
    ofPath("basename", (text) => text.slice(text.lastIndexOf("/") + 1)),
    ofPath("dirname", (text) => text.slice(0, Math.max(0, text.lastIndexOf("/"))) || (text.startsWith("/") ? "/" : "")),
    ofPath("splitext", (text) => {
      const { ext } = posix.parse(text);
      return new PyTuple([text.slice(0, text.length - ext.length), ext]);
    }),
    ...["abspath", "realpath", "normpath"].map((name) => ofPath(name, absolute)),
  ]),
);

export const OS = namespace("os", [
  ["environ", new PyObject(ENVIRON, undefined)],
  ["getenv", nativeOfUnknown("getenv", "key, default=None", ({ default: otherwise }) => otherwise!)],
  ["path", PATH],
  // The program's working directory is not known: relative paths are searched for when a file is opened.
  ["getcwd", nativeOfUnknown("getcwd", "", () => ".")],
  ["sep", "/"],
  ["PathLike", builtinClass("PathLike", [OBJECT])],
]);
export const OS_PATH = PATH;
