import { compareValues } from "../../evaluate/objects/comparisons";
import { binaryOperation, unaryOperation } from "../../evaluate/objects/operators";
import { index } from "../../evaluate/objects/subscripts";
import type { BinaryOp, UnaryOp } from "../../syntax/ast";
import { native } from "../../values/native";
import { type PyDict, PyNative, PyTuple, type Value } from "../../values/values";
import { named, namespace } from "./namespace";

/** The module operator: Python's operators as functions. https://docs.python.org/3/library/operator.html */

const BINARY: Record<string, BinaryOp> = {
  add: "+",
  sub: "-",
  mul: "*",
  truediv: "/",
  floordiv: "//",
  mod: "%",
  pow: "**",
  matmul: "@",
  and_: "&",
  or_: "|",
  xor: "^",
  lshift: "<<",
  rshift: ">>",
  concat: "+",
};
const COMPARISONS: Record<string, string> = {
  eq: "==",
  ne: "!=",
  lt: "<",
  le: "<=",
  gt: ">",
  ge: ">=",
  is_: "is",
  is_not: "is not",
};
const UNARY: Record<string, UnaryOp> = { neg: "-", pos: "+", invert: "~", not_: "not" };

/** One item gives itself, several a tuple. */
const single = (items: readonly Value[]): Value => (items.length === 1 ? items[0]! : new PyTuple(items));

export const OPERATOR = namespace(
  "operator",
  named([
    ...Object.entries(BINARY).map(([name, op]) =>
      native(name, "a, b, /", (args, ev) => binaryOperation(ev, op, args.a!, args.b!)),
    ),
    ...Object.entries(COMPARISONS).map(([name, op]) =>
      native(name, "a, b, /", (args, ev) => compareValues(ev, op, args.a!, args.b!)),
    ),
    ...Object.entries(UNARY).map(([name, op]) => native(name, "a, /", (args, ev) => unaryOperation(ev, op, args.a!))),
    native("truth", "a, /", (args, ev) => ev.truthy(args.a!)),
    native("contains", "a, b, /", (args, ev) => compareValues(ev, "in", args.b!, args.a!)),
    native("getitem", "a, b, /", (args, ev) => index(ev, args.a!, args.b!)),
    native("itemgetter", "item, /, *items", ({ item, items }) => {
      const keys = [item!, ...(items as PyTuple).items];
      return native("itemgetter", "obj, /", (args, ev) => single(keys.map((key) => index(ev, args.obj!, key))));
    }),
    native("attrgetter", "attr, /, *attrs", ({ attr, attrs }) => {
      const paths = [attr!, ...(attrs as PyTuple).items].map((path) => String(path).split("."));
      return native("attrgetter", "obj, /", (args, ev) =>
        single(paths.map((path) => path.reduce<Value>((value, name) => ev.getAttribute(value, name), args.obj!))),
      );
    }),
    native("methodcaller", "name, /, *args, **kwargs", ({ name, args: given, kwargs }) => {
      const options = new Map([...(kwargs as PyDict).entries.values()].map((e) => [String(e.key), e.value]));
      return new PyNative("methodcaller", "obj, /", ({ obj }, runtime) =>
        runtime.call(runtime.getAttribute(obj!, String(name)), (given as PyTuple).items, options),
      );
    }),
  ]),
);
