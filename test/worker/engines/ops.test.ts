import assert from "node:assert/strict";
import { onnxruntimeEngine } from "../../../src/worker/engines/onnxruntime/engine";
import { LOWERINGS } from "../../../src/worker/engines/onnxruntime/lowerings";
import { tfjsEngine } from "../../../src/worker/engines/tfjs/engine";
import { CASES, casesIn, coveredOps } from "./cases";
import { check, FLOAT32 } from "./check";

describe("ops", () => {
  it("are each covered by a case", () => {
    const covered: ReadonlySet<string> = coveredOps();
    const missing = Object.keys(LOWERINGS).filter((op) => op !== "parameter" && !covered.has(op));
    assert.deepEqual(missing, []);
  });

  for (const engine of [onnxruntimeEngine("cpu"), tfjsEngine()]) {
    describe(`on ${engine.label}`, function () {
      this.timeout(20_000);
      for (const one of CASES) it(one.name, () => check(engine, one, FLOAT32));
    });
  }

  describe("in other types on ONNX Runtime (CPU)", function () {
    this.timeout(20_000);
    const engine = onnxruntimeEngine("cpu");
    // Half types are computed in float32 and rounded once an op: half a unit in the last place, and the operands' own
    // rounding is in the reference too. A case of several ops rounds between them.
    for (const one of casesIn("float16")) it(one.name, () => check(engine, one, { atol: 2e-3, rtol: 2e-3 }));
    for (const one of casesIn("bfloat16")) it(one.name, () => check(engine, one, { atol: 2e-2, rtol: 2e-2 }));
    // erf, gelu, atan and convolutions have float32 kernels only, and say so.
    for (const one of casesIn("float64").filter(({ name }) => !/^(erf|gelu|atan|conv)/.test(name))) {
      it(one.name, () => check(engine, one, { atol: 1e-12, rtol: 1e-12 }));
    }
  });
});
