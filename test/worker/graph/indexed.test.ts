import { strict as assert } from "node:assert";
import * as g from "../../../src/worker/graph/build";
import { topological } from "../../../src/worker/graph/graph";
import { smallestTable } from "../../../src/worker/graph/indexed";
import type { Node } from "../../../src/worker/graph/node";

const ids = g.input("ids", [2, 4], "int64");
const other = g.input("other", [2, 4], "int64");
const table = (length: number): Node => g.parameter(`table${length}`, [length, 8], "float32");
const smallest = (...outputs: Node[]): number => smallestTable(ids, topological(outputs));

describe("the smallest table that an input indexes", () => {
  const indices: Readonly<Record<string, Node>> = {
    "as it is": ids,
    "cut and turned": g.transpose(g.slice(ids, [0, 1], [2, 3]), [1, 0]),
    "as another dtype": g.cast(ids, "int32"),
    detached: g.detach(ids),
    padded: g.pad(ids, [0, 1], [0, 0]),
    "behind another": g.concat([other, ids], 1),
  };
  for (const [name, node] of Object.entries(indices)) {
    it(`is found where it indexes ${name}`, () => {
      assert.equal(smallest(g.gather(table(50), ids, 0), g.gather(table(30), node, 0)), 30);
    });
  }

  it("is measured along the axis that is indexed", () => {
    assert.equal(smallest(g.gather(table(50), ids, 1)), 8);
  });

  it("is none where another input, or what was computed, indexes", () => {
    assert.equal(smallest(g.gather(table(50), other, 0)), Number.POSITIVE_INFINITY);
    assert.equal(smallest(g.gather(table(50), g.mul(ids, ids), 0)), Number.POSITIVE_INFINITY);
  });
});
