import { isFloating } from "../../../../../formats/dtype";
import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import type { BoundArgs, Runtime, Value } from "../../../values/values";
import { axisArg, given, intArg, optionalDType, tensorArg, tuple } from "../registry/arguments";
import { define, defineWithInPlace, type Home, nodeArg } from "../registry/table";
import { nodeOf, wrap } from "../tensor/tensor";
import { floating, widely } from "./arithmetic";
import { logAddExp } from "./mathematics";

/** Running results along a dimension. */

const BOTH: readonly Home[] = ["torch", "tensor"];

/** The running result of an associative operation, in as many steps as the length has binary digits. */
function scan(x: Node, axis: number, identity: number, combine: (earlier: Node, later: Node) => Node): Node {
  const length = x.shape[axis] ?? 1;
  let result = x;
  for (let step = 1; step < length; step *= 2) {
    const before = build.full(identity, x.shape.with(axis, step), x.dtype);
    const earlier = build.concat([before, build.narrow(result, axis, 0, length - step)], axis);
    result = combine(earlier, result);
  }
  return result;
}

function countable(args: BoundArgs, runtime: Runtime): Node {
  const x = nodeArg(args, "input", runtime);
  return build.cast(x, optionalDType(args) ?? (isFloating(x.dtype) ? x.dtype : "int64"));
}
defineWithInPlace(BOTH, "cumsum", "input, dim, *, dtype=None", (args, runtime) => {
  const x = countable(args, runtime);
  const axis = axisArg(args, "dim", x.shape.length);
  return x.shape.length === 0 ? x : build.cumsum(x, axis);
});
defineWithInPlace(BOTH, "cumprod", "input, dim, *, dtype=None", (args, runtime) => {
  const x = countable(args, runtime);
  const axis = axisArg(args, "dim", x.shape.length);
  return widely(x, (wide) => scan(wide, axis, 1, build.mul));
});
define(BOTH, "logcumsumexp", "input, dim", (args, runtime) => {
  const x = floating(nodeArg(args, "input", runtime));
  const axis = axisArg(args, "dim", x.shape.length);
  return widely(x, (wide) => scan(wide, axis, Number.NEGATIVE_INFINITY, logAddExp));
});

for (const [name, op, least] of [
  ["cummax", "maximum", true],
  ["cummin", "minimum", false],
] as const) {
  define(BOTH, name, "input, dim", (args, runtime): Value => {
    const x = nodeArg(args, "input", runtime);
    const axis = axisArg(args, "dim", x.shape.length);
    if (x.shape.length === 0) return tuple([wrap(x), wrap(build.full(0, [], "int64"))], ["values", "indices"]);
    const wide = isFloating(x.dtype) ? x : build.cast(x, "int64");
    const identity = isFloating(wide.dtype) ? Number.POSITIVE_INFINITY : Number.MAX_SAFE_INTEGER;
    const values = scan(wide, axis, least ? -identity : identity, (a, b) => build.binary(op, a, b));
    // The place of the latest element that equals the running value; NaN is where it came up.
    const place = build.expand(
      build.reshape(
        build.arange(x.shape[axis]!, "int64"),
        x.shape.map((d, i) => (i === axis ? d : 1)),
      ),
      x.shape,
    );
    let stands = build.binary("equal", wide, values);
    if (isFloating(wide.dtype))
      stands = build.binary("or", stands, build.unary("not", build.binary("equal", wide, wide)));
    const own = build.where(stands, place, build.scalar(0, "int64"));
    const indices = scan(own, axis, 0, (a, b) => build.binary("maximum", a, b));
    return tuple([wrap(build.cast(values, x.dtype)), wrap(indices)], ["values", "indices"]);
  });
}

define(BOTH, "diff", "input, n=1, dim=-1, prepend=None, append=None", (args, runtime) => {
  let x = nodeArg(args, "input", runtime);
  const axis = axisArg(args, "dim", x.shape.length);
  const more = (name: string): Node[] => (given(args, name) ? [nodeOf(tensorArg(args, name), runtime)] : []);
  x = build.concat([...more("prepend"), x, ...more("append")], axis);
  for (let i = 0; i < intArg(args, "n"); i++) {
    const length = x.shape[axis]!;
    const [later, earlier] = [build.narrow(x, axis, 1, length), build.narrow(x, axis, 0, Math.max(0, length - 1))];
    x = x.dtype === "bool" ? build.unary("not", build.binary("equal", later, earlier)) : build.sub(later, earlier);
  }
  return x;
});
