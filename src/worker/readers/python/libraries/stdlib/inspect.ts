import { paramsOf } from "../../evaluate/binding";
import { MISSING } from "../../evaluate/objects/dataclasses";
import type { Definition } from "../../evaluate/scope";
import { dictOf } from "../../values/equality";
import type { Evaluator } from "../../values/evaluator";
import { findMember } from "../../values/members";
import { native } from "../../values/native";
import { builtinClass, OBJECT, PyPartial, PyWrapped, typeName } from "../../values/types";
import { Unknown } from "../../values/unknown";
import {
  type BoundParam,
  PyBound,
  PyClass,
  PyError,
  PyFunction,
  PyNative,
  PyObject,
  PyTuple,
  type Value,
} from "../../values/values";
import { named, namespace } from "./namespace";

/** The module inspect: what code asks to hand on only the arguments that something takes. */

const EMPTY = builtinClass("_empty", [OBJECT]);
const KIND = builtinClass("_ParameterKind", [OBJECT]);
const PARAMETER = builtinClass("Parameter", [OBJECT]);
const SIGNATURE = builtinClass("Signature", [OBJECT]);

/** Of each kind of parameter Python's name and number. */
const KINDS: Readonly<Record<BoundParam["kind"], readonly [name: string, order: number]>> = {
  positionalOnly: ["POSITIONAL_ONLY", 0],
  normal: ["POSITIONAL_OR_KEYWORD", 1],
  star: ["VAR_POSITIONAL", 2],
  keywordOnly: ["KEYWORD_ONLY", 3],
  doubleStar: ["VAR_KEYWORD", 4],
};
const KIND_VALUES = new Map(
  Object.entries(KINDS).map(([kind, [name, order]]) => {
    const value = new PyObject(KIND, undefined);
    value.payload = order;
    value.attributes.set("name", name);
    value.attributes.set("value", order);
    return [kind, value];
  }),
);
for (const [kind, [name]] of Object.entries(KINDS)) PARAMETER.members.set(name, KIND_VALUES.get(kind)!);
for (const type of [PARAMETER, SIGNATURE]) type.members.set("empty", EMPTY);

type Described = BoundParam & { readonly annotation?: string };

/** The parameters of a call of the value, the receiver of a method left out. */
function parametersOf(ev: Evaluator, callable: Value): readonly Described[] {
  if (callable instanceof PyFunction) {
    const wrapped = callable.attributes?.get("__wrapped__");
    if (wrapped !== undefined) return parametersOf(ev, wrapped);
    return (callable.definition as Definition).params.map(({ name, kind, annotation }) => {
      const value = callable.defaults.get(name);
      return { name, kind, ...(value !== undefined && { default: value }), ...(annotation && { annotation }) };
    });
  }
  if (callable instanceof PyNative) return paramsOf(callable);
  if (callable instanceof PyBound) return parametersOf(ev, callable.callee).slice(1);
  if (callable instanceof PyWrapped) return parametersOf(ev, callable.callee);
  if (callable instanceof PyPartial) {
    const left = parametersOf(ev, callable.callee).slice(callable.args.length);
    return left.map((p) => {
      const value = callable.kwargs.get(p.name);
      return value === undefined ? p : { ...p, kind: "keywordOnly", default: value };
    });
  }
  if (callable instanceof PyClass) {
    const init = findMember(callable, "__init__");
    return init === undefined ? [] : parametersOf(ev, init).slice(1);
  }
  const method = ev.special(callable, "__call__") ?? (callable instanceof PyObject ? undefined : null);
  if (method) return parametersOf(ev, method);
  const forward = callable instanceof PyObject && callable.module && ev.special(callable, "forward");
  if (forward) return parametersOf(ev, forward);
  throw new PyError("TypeError", `'${typeName(callable)}' object is not a callable object`);
}

function parameter({ name, kind, default: value, annotation }: Described): PyObject {
  const object = new PyObject(PARAMETER, undefined);
  object.attributes.set("name", name);
  object.attributes.set("kind", KIND_VALUES.get(kind)!);
  // A field's factory has no value before the call.
  object.attributes.set("default", value === undefined || value === MISSING ? EMPTY : value);
  object.attributes.set("annotation", annotation === undefined ? EMPTY : new Unknown("annotations are not evaluated"));
  return object;
}

const signature = native("signature", "obj, /, **kwargs", ({ obj }, ev) => {
  const object = new PyObject(SIGNATURE, ev.place);
  object.attributes.set("parameters", dictOf(parametersOf(ev, obj!).map((p) => [p.name, parameter(p)])));
  object.attributes.set("return_annotation", EMPTY);
  return object;
});

function unwrapped(fn: Value): Value {
  const wrapped = fn instanceof PyFunction ? fn.attributes?.get("__wrapped__") : undefined;
  return wrapped === undefined ? fn : unwrapped(wrapped);
}

const isFunction = (value: Value | undefined): boolean => value instanceof PyFunction;

export const INSPECT = namespace("inspect", [
  ["Parameter", PARAMETER],
  ["Signature", SIGNATURE],
  ["_empty", EMPTY],
  ...named([
    signature,
    native("isclass", "object", ({ object }) => object instanceof PyClass),
    native("isfunction", "object", ({ object }) => isFunction(object)),
    native("ismethod", "object", ({ object }) => object instanceof PyBound && isFunction(object.callee)),
    native("isroutine", "object", ({ object }) => [PyFunction, PyNative, PyBound].some((k) => object instanceof k)),
    native("getmro", "cls", ({ cls }) => new PyTuple(cls instanceof PyClass ? cls.mro : [])),
    native("unwrap", "func", ({ func }) => unwrapped(func!)),
  ]),
]);
