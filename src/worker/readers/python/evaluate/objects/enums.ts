import { equal } from "../../values/equality";
import type { Evaluator } from "../../values/evaluator";
import { findMember } from "../../values/members";
import { evaluatorOf } from "../../values/native";
import { builtinClass, isDescriptor, OBJECT, plain } from "../../values/types";
import { Unknown } from "../../values/unknown";
import {
  PyBound,
  PyClass,
  PyError,
  PyFloat,
  PyFunction,
  PyNative,
  PyObject,
  PyTuple,
  type Value,
} from "../../values/values";
import { repr } from "./text";

/** The module enum: its classes, and what a class statement makes of theirs. */

export const ENUM = builtinClass("Enum", [OBJECT]);
export const FLAG = builtinClass("Flag", [ENUM]);
/** What `auto()` gives until the class is made. */
export const AUTO = new PyObject(builtinClass("auto", [OBJECT]), undefined);

const nameOf = (member: Value): string => String((member as PyObject).attributes.get("name"));
const valueIn = (member: Value): Value => (member as PyObject).attributes.get("value") ?? null;

ENUM.members.set(
  "__str__",
  new PyNative("__str__", "self", ({ self }) => `${(self as PyObject).type.name}.${nameOf(self!)}`),
);
ENUM.members.set(
  "__repr__",
  new PyNative("__repr__", "self", ({ self }, runtime) => {
    const text = repr(evaluatorOf(runtime), valueIn(self!));
    return text instanceof Unknown ? text : `<${(self as PyObject).type.name}.${nameOf(self!)}: ${text}>`;
  }),
);

/** IntEnum and StrEnum show their value. */
export const showsValue = new PyNative("__str__", "self", ({ self }) => {
  const value = valueIn(self!);
  return typeof value === "string" ? value : String(value);
});

/** After the class body: every public name with a plain value becomes a member. */
export function makeEnum(ev: Evaluator, type: PyClass): void {
  const members = new Map<string, PyObject>();
  const isFlag = type.mro.includes(FLAG);
  const isText = type.mro.some((t) => t.name === "str");
  const isStrEnum = type.mro.some((t) => t.name === "StrEnum");
  const values: Value[] = [];
  for (const [name, given] of [...type.members]) {
    if (name.startsWith("_") || isDescriptor(given) || given instanceof PyClass) continue;
    const generate = findMember(type, "_generate_next_value_");
    let value: Value = given;
    if (given === AUTO) {
      if (generate !== undefined) value = ev.call(unwrapped(generate), [name, 1, values.length, new PyTuple(values)]);
      else value = isStrEnum ? name.toLowerCase() : nextNumber(values, isFlag);
    }
    values.push(value);
    const same = [...members.values()].find((m) => equal(valueIn(m), value) === true);
    const member = same ?? makeMember(ev, type, name, isText && !isStrEnum && given === AUTO ? String(value) : value);
    members.set(name, member);
    type.members.set(name, member);
  }
  type.enumMembers = members;
  ev.step(members.size);
}

const unwrapped = (member: Value): Value =>
  member instanceof PyObject && "callee" in member ? (member as PyObject & { callee: Value }).callee : member;

function nextNumber(values: readonly Value[], isFlag: boolean): number {
  const numbers = values.filter((v) => typeof v === "number");
  if (!isFlag) return numbers.length === 0 ? 1 : Math.max(...numbers) + 1;
  return numbers.length === 0 ? 1 : 2 ** (Math.floor(Math.log2(Math.max(...numbers))) + 1);
}

function makeMember(ev: Evaluator, type: PyClass, name: string, value: Value): PyObject {
  const member = new PyObject(type, type.place);
  const set = (v: Value) => {
    for (const key of ["value", "_value_"]) member.attributes.set(key, v);
  };
  for (const key of ["name", "_name_"]) member.attributes.set(key, name);
  set(value);
  if (type.mro.some((t) => PAYLOADS.has(t.name))) {
    const base = plain(value instanceof PyTuple ? (value.items[0] ?? null) : value);
    if (typeof base === "string" || typeof base === "number" || base instanceof PyFloat) member.payload = base;
  }
  const init = findMember(type, "__init__");
  if (init instanceof PyFunction) ev.call(new PyBound(member, init), value instanceof PyTuple ? value.items : [value]);
  return member;
}

const PAYLOADS = new Set(["str", "int", "float"]);

/** `Color(1)`: the member of that value. */
export function enumMember(ev: Evaluator, type: PyClass, value: Value): Value {
  if (value instanceof Unknown) return value;
  for (const member of type.enumMembers?.values() ?? []) {
    if (member === value || equal(valueIn(member), value) === true) return member;
  }
  const missing = findMember(type, "_missing_");
  if (missing !== undefined) {
    const found = ev.call(ev.getAttribute(type, "_missing_"), [value]);
    if (found !== null) return found;
  }
  if (type.mro.includes(FLAG) && typeof value === "number") return composite(ev, type, value);
  throw new PyError("ValueError", `${String(repr(ev, value))} is not a valid ${type.name}`);
}

/** A flag of several members. */
function composite(ev: Evaluator, type: PyClass, value: number): Value {
  const parts = [...(type.enumMembers?.values() ?? [])].filter((m) => {
    const n = valueIn(m);
    return typeof n === "number" && n !== 0 && (value & n) === n;
  });
  const known = [...(type.enumMembers?.values() ?? [])].find((m) => valueIn(m) === value);
  if (known) return known;
  const covered = parts.reduce((all, m) => all | Number(valueIn(m)), 0);
  if (covered !== value) throw new PyError("ValueError", `${value} is not a valid ${type.name}`);
  return makeMember(ev, type, value === 0 ? "0" : parts.map(nameOf).join("|"), value);
}

const OPERATIONS: Record<string, (a: number, b: number) => number> = {
  __or__: (a, b) => a | b,
  __and__: (a, b) => a & b,
  __xor__: (a, b) => a ^ b,
};
for (const [name, operation] of Object.entries(OPERATIONS)) {
  FLAG.members.set(
    name,
    new PyNative(name, "self, other", ({ self, other }, runtime) => {
      const [a, b] = [valueIn(self!), other instanceof PyObject ? valueIn(other) : other!];
      if (typeof a !== "number" || typeof b !== "number") {
        throw new PyError("TypeError", "unsupported operand type(s) for a flag's operator");
      }
      return composite(evaluatorOf(runtime), (self as PyObject).type, operation(a, b));
    }),
  );
}
FLAG.members.set(
  "__invert__",
  new PyNative("__invert__", "self", ({ self }, runtime) => {
    const { type } = self as PyObject;
    const all = [...(type.enumMembers?.values() ?? [])].reduce((bits, m) => bits | Number(valueIn(m)), 0);
    return composite(evaluatorOf(runtime), type, all & ~Number(valueIn(self!)));
  }),
);
FLAG.members.set("__bool__", new PyNative("__bool__", "self", ({ self }) => valueIn(self!) !== 0));
FLAG.members.set(
  "__contains__",
  new PyNative("__contains__", "self, other", ({ self, other }) => {
    const b = Number(valueIn(other!));
    return (Number(valueIn(self!)) & b) === b;
  }),
);
