import { repr } from "../../evaluate/objects/text";
import type { Evaluator } from "../../values/evaluator";
import { native } from "../../values/native";
import { PyProperty } from "../../values/types";
import { EvaluationError, Unknown } from "../../values/unknown";
import { PyFloat, PyList, type PyNamespace, type PyNative, PyTuple, type Value } from "../../values/values";
import { named, namespace } from "../stdlib/namespace";
import { ARRAY, converted, type PyArray, scalar } from "./array";
import { CREATION } from "./creation";
import { DTYPES, dtypeClass } from "./dtypes";
import { clipped, ELEMENTWISE, rint } from "./elementwise";
import "./indexing";
import { FUNCTIONS_ONLY, REDUCING, SORT, whole } from "./reductions";
import { MOVING, reversedAxes, SHAPE_FUNCTIONS, SHAPE_METHODS } from "./shaping";

/** The part of NumPy that models use while they are built. What is missing is unknown by its name. */

function rounded(ev: Evaluator, array: PyArray, decimals: number): PyArray {
  const unit = 10 ** decimals;
  const copy = converted(ev, array, array.dtype);
  for (const [i, value] of copy.memory.entries()) copy.memory[i] = rint(value * unit) / unit;
  return copy;
}

const ROUND = native("round", "a, decimals=0, out=None", ({ a, decimals }, ev) => {
  const made = rounded(ev, ev.call(AS_ARRAY, [a!]) as PyArray, whole(decimals));
  return made.shape.length === 0 ? scalar(made.memory[0]!, made.dtype) : made;
});
const AS_ARRAY = CREATION.find((fn) => fn.name === "asarray")!;

const METHODS: readonly PyNative[] = [
  ...REDUCING,
  ...MOVING,
  ...SHAPE_METHODS,
  ROUND,
  native("clip", "a, min=None, max=None", (args, ev) => clipped(ev, args)),
  native("nonzero", "a", ({ a }, ev) => ev.call(CREATION.find((fn) => fn.name === "nonzero")!, [a!])),
  native("sort", "a, axis=-1", ({ a, axis }, ev) => {
    const array = a as PyArray;
    const sorted = (ev.call(SORT, [array, axis!]) as PyArray).values();
    for (const [i, at] of array.positions().entries()) array.memory[at] = sorted[i]!;
    return null;
  }),
];
for (const method of METHODS) ARRAY.members.set(method.name, method);

const PROPERTIES: Record<string, (array: PyArray) => Value> = {
  shape: (array) => new PyTuple(array.shape),
  ndim: (array) => array.shape.length,
  size: (array) => array.size,
  dtype: (array) => dtypeClass(array.dtype),
  T: reversedAxes,
};
for (const [name, get] of Object.entries(PROPERTIES)) {
  const getter = native(name, "self", ({ self }) => get(self as PyArray));
  ARRAY.members.set(name, new PyProperty(getter, null, false));
}

function only(array: PyArray, what: string): number {
  if (array.size === 1) return array.memory[array.offset]!;
  throw new EvaluationError(`${what} of an array of ${array.size} elements`);
}

const SPECIAL: readonly PyNative[] = [
  native("__float__", "self", ({ self }) => new PyFloat(only(self as PyArray, "float()"))),
  native("__int__", "self", ({ self }) => scalar(Math.trunc(only(self as PyArray, "int()")), "int64")),
  native("__bool__", "self", ({ self }) => only(self as PyArray, "the truth") !== 0),
  native("__matmul__", "self, other", ({ self, other }, ev) =>
    ev.call(SHAPE_FUNCTIONS.find((fn) => fn.name === "matmul")!, [self!, other!]),
  ),
  native("__repr__", "self", ({ self }, ev) => {
    const list = ev.call(SHAPE_METHODS.find((fn) => fn.name === "tolist")!, [self!]);
    const text = repr(ev, list instanceof PyList ? list : new PyList([list]));
    return text instanceof Unknown ? text : `array(${text})`;
  }),
  // Reached only for what the class does not have.
  native("__getattr__", "self, name", ({ name }, ev) => {
    return new Unknown(`numpy.ndarray.${String(name)} is not known to the reader`, ev.place);
  }),
];
for (const method of SPECIAL) ARRAY.members.set(method.name, method);

const NUMPY = namespace("numpy", [
  ...named([...CREATION, ...ELEMENTWISE, ...REDUCING, ...FUNCTIONS_ONLY, ...MOVING, ...SHAPE_FUNCTIONS]),
  ["round", ROUND],
  ["around", ROUND],
  ...DTYPES,
  ["newaxis", null],
  ["pi", new PyFloat(Math.PI)],
  ["e", new PyFloat(Math.E)],
  ["inf", new PyFloat(Number.POSITIVE_INFINITY)],
  ["nan", new PyFloat(Number.NaN)],
]);

/** The modules of NumPy that are evaluated, by name. */
export const NUMPY_MODULES: ReadonlyMap<string, PyNamespace> = new Map([[NUMPY.name, NUMPY]]);
