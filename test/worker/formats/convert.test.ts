import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as path from "node:path";
import {
  bfloat16ToFloat,
  convert,
  floatToBfloat16,
  floatToHalf,
  halfToFloat,
  toNumbers,
} from "../../../src/worker/formats/convert";
import { allocate, float32, int64, type Tensor } from "../../../src/worker/formats/tensor";

const FIXTURES = path.join(__dirname, "../../fixtures/formats");

describe("convert", () => {
  it("rounds to the nearest float16 and bfloat16, ties to even, at every edge", () => {
    const rows = JSON.parse(readFileSync(path.join(FIXTURES, "rounding.json"), "utf8")) as [number, number, number][];
    assert.ok(rows.length > 40);
    for (const [value, half, brain] of rows) {
      assert.equal(floatToHalf(value), half, `float16 of ${value}`);
      assert.equal(floatToBfloat16(value), brain, `bfloat16 of ${value}`);
    }
  });

  it("converts each of the 65,536 float16 and bfloat16 values to float32 and back without a change", () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const half = halfToFloat(bits);
      if (Number.isNaN(half)) assert.ok(Number.isNaN(halfToFloat(floatToHalf(half))));
      else assert.equal(floatToHalf(half), bits);
      const brain = bfloat16ToFloat(bits);
      if (Number.isNaN(brain)) assert.ok(Number.isNaN(bfloat16ToFloat(floatToBfloat16(brain))));
      else assert.equal(floatToBfloat16(brain), bits);
    }
  });

  it("rounds every float32 between two halves to the nearer one", () => {
    for (let bits = 0; bits < 0x7bff; bits++) {
      const [low, high] = [halfToFloat(bits), halfToFloat(bits + 1)];
      const middle = (low + high) / 2;
      assert.equal(floatToHalf(low + (middle - low) * 0.999), bits);
      assert.equal(floatToHalf(middle + (high - middle) * 0.001), bits + 1);
      assert.equal(floatToHalf(middle), bits + (bits & 1));
    }
  });

  it("converts tensors between floating types, whole numbers and bool", () => {
    const x = float32([4], [0, 1.75, -2.5, 100]);
    assert.deepEqual(convert(x, "int32").data, Int32Array.of(0, 1, -2, 100));
    assert.deepEqual(convert(x, "int64").data, BigInt64Array.of(0n, 1n, -2n, 100n));
    assert.deepEqual(convert(x, "bool").data, Uint8Array.of(0, 1, 1, 1));
    assert.deepEqual(convert(convert(x, "float16"), "float32"), x);
    assert.deepEqual(convert(int64([2], [3, -4]), "float32").data, Float32Array.of(3, -4));
    assert.deepEqual(convert(int64([2], [3, -4]), "int16").data, Int16Array.of(3, -4));
    assert.equal(convert(x, "float32"), x);
  });

  it("refuses values that have no counterpart", () => {
    assert.throws(() => convert(float32([1], [300]), "uint8"), /300 does not fit in uint8/);
    assert.throws(() => convert(float32([1], [Number.NaN]), "int32"), RangeError);
    const large: Tensor = { dtype: "int64", shape: [1], data: BigInt64Array.of(2n ** 53n) };
    assert.throws(() => toNumbers(large), /9007199254740992 is too large/);
    assert.deepEqual(toNumbers({ ...large, data: BigInt64Array.of(2n ** 53n - 1n) }), [Number.MAX_SAFE_INTEGER]);
    assert.deepEqual(toNumbers(allocate("int64", [0])), []);
  });
});
