import { posix } from "node:path";
import { native, nativeOfUnknown } from "../native";
import { builtinClass, OBJECT } from "../types";
import { PyObject, PyTuple, Unknown, type Value } from "../values";
import { named, namespace } from "./namespace";

/**
 * The part of `os` that says how a program is set up: an environment in which nothing is set, so that what asks for a
 * variable gets its default, and names of files. What else is asked is unknown.
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

const texts = (value: Value | undefined): readonly string[] | undefined => {
  const items = value instanceof PyTuple ? value.items : [];
  return items.every((item) => typeof item === "string") ? items : undefined;
};
const UNKNOWN = new Unknown("a path that is no text is not followed");

const PATH = namespace(
  "os.path",
  named([
    native("join", "*parts", ({ parts }) => {
      const given = texts(parts);
      // A part that is absolute is where the path starts.
      const first = given?.findLastIndex((part) => part.startsWith("/")) ?? 0;
      return given
        ? given
            .slice(Math.max(0, first))
            .join("/")
            .replace(/\/{2,}/g, "/")
        : UNKNOWN;
    }),
    native("basename", "p", ({ p }) => (typeof p === "string" ? p.slice(p.lastIndexOf("/") + 1) : UNKNOWN)),
    native("dirname", "p", ({ p }) => (typeof p === "string" ? p.slice(0, Math.max(0, p.lastIndexOf("/"))) : UNKNOWN)),
    native("splitext", "p", ({ p }) => {
      if (typeof p !== "string") return UNKNOWN;
      const { ext } = posix.parse(p);
      return new PyTuple([p.slice(0, p.length - ext.length), ext]);
    }),
  ]),
);

export const OS = namespace("os", [
  ["environ", new PyObject(ENVIRON, undefined)],
  ["getenv", nativeOfUnknown("getenv", "key, default=None", ({ default: otherwise }) => otherwise!)],
  ["path", PATH],
  ["sep", "/"],
  ["PathLike", builtinClass("PathLike", [OBJECT])],
]);
export const OS_PATH = PATH;
