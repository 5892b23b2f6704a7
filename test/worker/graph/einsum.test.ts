import { strict as assert } from "node:assert";
import { einsum } from "../../../src/worker/graph/einsum";
import { foldConstants } from "../../../src/worker/graph/fold/fold";
import { ShapeError } from "../../../src/worker/graph/shapes";
import { assertTold, operand, PYTORCH } from "./known";

describe("einsum in the graph", () => {
  for (const { equation, operands, ...expected } of PYTORCH.einsum) {
    it(`gives PyTorch's elements for ${equation}`, () => {
      const node = einsum(equation, operands.map(operand));
      assert.deepEqual(node.shape, expected.shape);
      assertTold(foldConstants(node), expected, equation);
    });
  }

  for (const { equation, operands, message } of PYTORCH.einsumFailures) {
    it(`refuses ${equation} of ${operands.join(" and ")} in PyTorch's words`, () => {
      assert.throws(() => einsum(equation, operands.map(operand)), new ShapeError(message));
    });
  }
});
