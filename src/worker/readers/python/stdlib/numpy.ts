import { native } from "../native";
import { int, isNumeric, numberOf } from "../numbers";
import { PyFloat, PyList, PyTuple, Unknown, type Value } from "../values";

import { namespace } from "./namespace";

/**
 * The numbers of NumPy that model files use: `-np.inf` in a mask, `np.sqrt(d_k)`, `int(np.prod(shape))`. Arrays are not
 * read: what is made of one is unknown.
 */

const FUNCTIONS: Record<string, (x: number) => number> = {
  sqrt: Math.sqrt,
  exp: Math.exp,
  log: Math.log,
  log2: Math.log2,
  log10: Math.log10,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  ceil: Math.ceil,
  floor: Math.floor,
};

const arrays = (name: string): Unknown => new Unknown(`numpy.${name} of an array is not read`);

function product(value: Value | undefined): Value {
  const items = value instanceof PyTuple || value instanceof PyList ? value.items : [value ?? null];
  if (!items.every(isNumeric)) return arrays("prod");
  const result = items.reduce<number>((n, item) => n * numberOf(item), 1);
  return items.some((item) => item instanceof PyFloat) || items.length === 0 ? new PyFloat(result) : int(result);
}

export const NUMPY = namespace("numpy", [
  ["inf", new PyFloat(Number.POSITIVE_INFINITY)],
  ["nan", new PyFloat(Number.NaN)],
  ["pi", new PyFloat(Math.PI)],
  ["e", new PyFloat(Math.E)],
  ["newaxis", null],
  ...Object.entries(FUNCTIONS).map(([name, fn]): [string, Value] => [
    name,
    // Where math raises ValueError, NumPy gives nan or an infinity.
    native(name, "x", ({ x }) => (x !== undefined && isNumeric(x) ? new PyFloat(fn(numberOf(x))) : arrays(name))),
  ]),
  ["prod", native("prod", "a", ({ a }) => product(a))],
]);
