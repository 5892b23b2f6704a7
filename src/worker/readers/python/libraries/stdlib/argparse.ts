import type { Evaluator } from "../../values/evaluator";
import { native, nativeOfUnknown } from "../../values/native";
import { builtinClass, builtinClassOf, OBJECT } from "../../values/types";
import { Unknown } from "../../values/unknown";
import { type BoundArgs, type PyDict, PyError, PyList, PyObject, PyTuple, type Value } from "../../values/values";
import { namespace } from "./namespace";

/**
 * argparse as declarations: `parse_args()` gives what the script gets when it is started without arguments, which are
 * the defaults. An argument that must be given is unknown.
 * https://docs.python.org/3/library/argparse.html
 */

export const ARGPARSE_NAMESPACE = builtinClass("Namespace", [OBJECT]);

/** A parser, or a group of its arguments. */
class PyParser extends PyObject {
  /** Defaults by destination, shared by a parser and its groups. */
  defaults = new Map<string, Value>();
}
const PARSER = builtinClassOf("ArgumentParser", [OBJECT], PyParser);
const GROUP = builtinClassOf("_ArgumentGroup", [OBJECT], PyParser);
const ACTION = builtinClass("Action", [OBJECT]);
const BOOLEAN_OPTIONAL = builtinClass("BooleanOptionalAction", [ACTION]);
const SUPPRESS = "==SUPPRESS==";

const defaultsOf = (self: Value | undefined): Map<string, Value> =>
  self instanceof PyParser ? self.defaults : new Map();

const optionsOf = (args: BoundArgs): Map<string, Value> =>
  new Map([...(args.kwargs as PyDict).entries.values()].map(({ key, value }) => [String(key), value]));

function addArgument(args: BoundArgs, ev: Evaluator): Value {
  const options = optionsOf(args);
  const flags = (args.flags as PyTuple).items.filter((flag) => typeof flag === "string");
  const first = flags[0];
  const action = new PyObject(ACTION, ev.place);
  if (first === undefined && typeof options.get("dest") !== "string") return action;
  const optional = first === undefined || first.startsWith("-");
  const dest = destination(flags, options.get("dest"));
  action.attributes.set("dest", dest);
  const kind = options.get("action") ?? "store";
  // Help and version end the program; they leave nothing in the namespace.
  if (kind === "help" || kind === "version") return action;
  const value = defaultOf(ev, dest, optional, kind, options);
  if (value !== SUPPRESS) defaultsOf(args.self).set(dest, value);
  return action;
}

/** The first long option's name, else the first short one's, with underscores. */
function destination(flags: readonly string[], dest: Value | undefined): string {
  if (typeof dest === "string") return dest;
  const chosen = flags.find((flag) => flag.startsWith("--")) ?? flags[0]!;
  return chosen.startsWith("-") ? chosen.replace(/^-+/, "").replaceAll("-", "_") : chosen;
}

function defaultOf(
  ev: Evaluator,
  dest: string,
  optional: boolean,
  kind: Value,
  options: ReadonlyMap<string, Value>,
): Value {
  const stated = options.get("default");
  const nargs = options.get("nargs");
  const mustBeGiven = optional ? options.get("required") === true : nargs !== "?" && nargs !== "*";
  if (mustBeGiven) return new Unknown(`the argument ${dest} has to be given on the command line`, ev.place);
  if (stated !== undefined) return converted(ev, stated, options.get("type"));
  if (kind === "store_true") return false;
  if (kind === "store_false") return true;
  return !optional && nargs === "*" ? new PyList([]) : null;
}

/** A default that is text is read as one from the command line would be; any other is taken as it is. */
function converted(ev: Evaluator, value: Value, type: Value | undefined): Value {
  if (typeof value !== "string" || type === undefined || type === null || value === SUPPRESS) return value;
  return ev.call(type, [value]);
}

function parsed(args: BoundArgs, ev: Evaluator): Value {
  const given = args.args;
  const empty = given === null || given === "" || (given instanceof PyList && given.items.length === 0);
  const result = args.namespace instanceof PyObject ? args.namespace : new PyObject(ARGPARSE_NAMESPACE, ev.place);
  for (const [name, value] of defaultsOf(args.self)) {
    if (result.attributes.has(name)) continue;
    const known = empty ? value : new Unknown(`the command line that the code itself gives is not parsed`, ev.place);
    result.attributes.set(name, known);
  }
  return result;
}

PARSER.members.set(
  "__init__",
  nativeOfUnknown("ArgumentParser.__init__", "self, *args, **kwargs", (args) => {
    const parents = optionsOf(args).get("parents");
    const own = defaultsOf(args.self);
    if (parents instanceof PyList || parents instanceof PyTuple) {
      for (const parent of parents.items) for (const [name, value] of defaultsOf(parent)) own.set(name, value);
    }
    return null;
  }),
);
PARSER.members.set("parse_args", nativeOfUnknown("parse_args", "self, args=None, namespace=None", parsed));
const knownArgs = nativeOfUnknown(
  "parse_known_args",
  "self, args=None, namespace=None",
  (args, ev) => new PyTuple([parsed(args, ev), new PyList([])]),
);
PARSER.members.set("parse_known_args", knownArgs);
PARSER.members.set(
  "set_defaults",
  nativeOfUnknown("set_defaults", "self, **kwargs", (args) => {
    for (const [name, value] of optionsOf(args)) defaultsOf(args.self).set(name, value);
    return null;
  }),
);
PARSER.members.set(
  "get_default",
  native("get_default", "self, dest", (args) => defaultsOf(args.self).get(String(args.dest)) ?? null),
);
PARSER.members.set(
  "add_subparsers",
  nativeOfUnknown(
    "add_subparsers",
    "self, **kwargs",
    (_args, ev) => new Unknown("which subcommand is chosen is known only when the program is started", ev.place),
  ),
);
for (const type of [PARSER, GROUP]) {
  type.members.set("add_argument", nativeOfUnknown("add_argument", "self, *flags, **kwargs", addArgument));
  for (const name of ["add_argument_group", "add_mutually_exclusive_group"]) {
    type.members.set(
      name,
      nativeOfUnknown(name, "self, *args, **kwargs", (args, ev) => {
        const group = new PyParser(GROUP, ev.place);
        group.defaults = defaultsOf(args.self);
        return group;
      }),
    );
  }
}
ARGPARSE_NAMESPACE.members.set(
  "__init__",
  nativeOfUnknown("Namespace.__init__", "self, **kwargs", (args) => {
    if (!(args.self instanceof PyObject)) throw new PyError("TypeError", "Namespace() needs an instance");
    for (const [name, value] of optionsOf(args)) args.self.attributes.set(name, value);
    return null;
  }),
);

const formatter = (name: string) => [name, builtinClass(name, [OBJECT])] as const;

export const ARGPARSE = namespace("argparse", [
  ["ArgumentParser", PARSER],
  ["Namespace", ARGPARSE_NAMESPACE],
  ["BooleanOptionalAction", BOOLEAN_OPTIONAL],
  ["Action", ACTION],
  ["SUPPRESS", SUPPRESS],
  formatter("HelpFormatter"),
  formatter("ArgumentDefaultsHelpFormatter"),
  formatter("RawTextHelpFormatter"),
  formatter("RawDescriptionHelpFormatter"),
]);
