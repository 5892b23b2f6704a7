import { binaryOperation } from "../../evaluate/objects/operators";
import { ofNumbers, plainly } from "../../evaluate/plain/plainFunctions";
import { native } from "../../values/native";
import { int, isNumeric, numberOf } from "../../values/numbers";
import { typeName } from "../../values/types";
import { PyError, PyFloat, type PyTuple, type Value } from "../../values/values";

import { named, namespace } from "./namespace";

/** The module math. */

function real(value: Value | undefined): number {
  if (value !== undefined && isNumeric(value)) return numberOf(value);
  throw new PyError("TypeError", `must be real number, not ${typeName(value ?? null)}`);
}

const UNARY: Record<string, (x: number) => number> = {
  exp: Math.exp,
  expm1: Math.expm1,
  log2: Math.log2,
  log10: Math.log10,
  log1p: Math.log1p,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  fabs: Math.abs,
  radians: (x) => (x * Math.PI) / 180,
  degrees: (x) => (x * 180) / Math.PI,
  sqrt: Math.sqrt,
};

function defined(value: number): number {
  if (Number.isNaN(value)) throw new PyError("ValueError", "math domain error");
  return value;
}

const domain = (value: number): PyFloat => new PyFloat(defined(value));

export const MATH = namespace("math", [
  ...Object.entries(UNARY).map(([name, fn]): [string, Value] => {
    const at = (x: number): number => {
      if (name.startsWith("log") && x <= (name === "log1p" ? -1 : 0))
        throw new PyError("ValueError", "math domain error");
      return Number.isNaN(x) ? x : defined(fn(x));
    };
    const entry = native(name, "x", (args) => new PyFloat(at(real(args.x))));
    plainly(entry, ([x, ...more]) => (isNumeric(x!) && more.length === 0 ? new PyFloat(at(numberOf(x))) : undefined));
    return [name, ofNumbers(entry, ({ length }) => (length === 1 ? { fn: at, float: true } : undefined))];
  }),
  ...named([
    native("log", "x, base=None", (args) => {
      const x = real(args.x);
      if (x <= 0) throw new PyError("ValueError", "math domain error");
      return domain(args.base === null ? Math.log(x) : Math.log(x) / Math.log(real(args.base)));
    }),
    native("pow", "x, y", (args) => domain(real(args.x) ** real(args.y))),
    native("atan2", "y, x", (args) => new PyFloat(Math.atan2(real(args.y), real(args.x)))),
    native("hypot", "x, y", (args) => new PyFloat(Math.hypot(real(args.x), real(args.y)))),
    native("floor", "x", (args) => int(Math.floor(real(args.x)))),
    native("ceil", "x", (args) => int(Math.ceil(real(args.x)))),
    native("trunc", "x", (args) => int(Math.trunc(real(args.x)))),
    native("isqrt", "n", (args) => int(Math.floor(Math.sqrt(real(args.n))))),
    native("isnan", "x", (args) => Number.isNaN(real(args.x))),
    native("isinf", "x", (args) => Math.abs(real(args.x)) === Number.POSITIVE_INFINITY),
    native("isfinite", "x", (args) => Number.isFinite(real(args.x))),
    native("isclose", "a, b, *, rel_tol=1e-9, abs_tol=0.0", (args) => {
      const [a, b] = [real(args.a), real(args.b)];
      return (
        a === b ||
        Math.abs(a - b) <= Math.max(real(args.rel_tol) * Math.max(Math.abs(a), Math.abs(b)), real(args.abs_tol))
      );
    }),
    native(
      "copysign",
      "x, y",
      (args) => new PyFloat(Math.abs(real(args.x)) * (real(args.y) < 0 || Object.is(real(args.y), -0) ? -1 : 1)),
    ),
    native("fmod", "x, y", (args) => domain(real(args.x) % real(args.y))),
    native("gcd", "*args", (args) => (args.args as PyTuple).items.reduce<number>((a, b) => gcd(a, real(b)), 0)),
    native("lcm", "*args", (args) =>
      int(
        (args.args as PyTuple).items.reduce<number>(
          (a, b) => (real(b) === 0 ? 0 : Math.abs(a * real(b)) / gcd(a, real(b))),
          1,
        ),
      ),
    ),
    native("factorial", "n", (args) => {
      let result = 1;
      for (let i = 2; i <= Math.min(real(args.n), 30); i++) result *= i;
      return int(result);
    }),
    native("comb", "n, k", (args) => {
      let result = 1;
      for (let i = 1; i <= Math.min(real(args.k), 1000); i++) result = (result * (real(args.n) - i + 1)) / i;
      return int(Math.round(result));
    }),
    native("perm", "n, k=None", (args) => {
      const n = real(args.n);
      const k = args.k === null ? n : real(args.k);
      let result = k > n ? 0 : 1;
      for (let i = 0; i < Math.min(k, n, 1000) && Number.isSafeInteger(result); i++) result *= n - i;
      return int(result);
    }),
    native("prod", "iterable, *, start=1", (args, ev) => {
      let product: Value = args.start!;
      for (const item of ev.iterate(args.iterable!)) {
        ev.step();
        product = binaryOperation(ev, "*", product, item);
      }
      return product;
    }),
  ]),
  ["pi", new PyFloat(Math.PI)],
  ["e", new PyFloat(Math.E)],
  ["tau", new PyFloat(2 * Math.PI)],
  ["inf", new PyFloat(Number.POSITIVE_INFINITY)],
  ["nan", new PyFloat(Number.NaN)],
]);

function gcd(a: number, b: number): number {
  let [x, y] = [Math.abs(a), Math.abs(b)];
  while (y > 0) [x, y] = [y, x % y];
  return x;
}
