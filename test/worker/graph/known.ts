import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DType } from "../../../src/worker/formats/dtype";
import { allocate } from "../../../src/worker/formats/tensor";
import * as g from "../../../src/worker/graph/build";
import type { Node } from "../../../src/worker/graph/node";
import { tolerance } from "../../../src/worker/jobs/verify/tolerance";

/** Constants, and what PyTorch computes of them: test/fixtures/graph/folding.json. */

export interface Told {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Numbers, booleans, and the names of infinities and NaN. */
  readonly values: readonly (number | boolean | string)[];
}

export const PYTORCH: {
  readonly operands: Readonly<Record<string, Told>>;
  readonly ops: Readonly<Record<string, Told>>;
  readonly einsum: readonly (Told & { readonly equation: string; readonly operands: readonly string[] })[];
  readonly einsumFailures: readonly {
    readonly equation: string;
    readonly operands: readonly string[];
    readonly message: string;
  }[];
} = JSON.parse(readFileSync(join(__dirname, "../../fixtures/graph/folding.json"), "utf8"));

/** The fixture's operand of that name as a constant of the graph. */
export function operand(name: string): Node {
  const { dtype, shape, values } = PYTORCH.operands[name]!;
  const { data } = allocate(dtype, shape);
  values.forEach((value, i) => {
    data[i] = dtype === "int64" ? BigInt(Number(value)) : Number(value);
  });
  return g.constant(data, shape, dtype);
}

/** Float64 is only of elementwise ops, which PyTorch computes to a few units of the last place. */
const UNITS = 16;
/** The longest sum of the fixture. */
const LONGEST = 12;

/** Whole numbers and infinities are equal; PyTorch rounds to float32 after each step, and sums in another order. */
export function assertTold(values: readonly number[] | undefined, expected: Told, what: string): void {
  assert.ok(values, `${what} is not known`);
  const wanted = expected.values.map(Number);
  assert.equal(values.length, wanted.length, what);
  const { bound } = tolerance(LONGEST, 1, Math.max(...wanted.filter(Number.isFinite).map(Math.abs)));
  for (const [i, value] of wanted.entries()) {
    const room = expected.dtype === "float64" ? UNITS * 2 ** -52 * Math.abs(value) : bound;
    const exact = !expected.dtype.startsWith("float") || !Number.isFinite(value);
    const near = exact ? Object.is(values[i], value) : Math.abs(values[i]! - value) <= room;
    assert.ok(near, `${what}[${i}] is ${values[i]}, in PyTorch ${value}`);
  }
}
