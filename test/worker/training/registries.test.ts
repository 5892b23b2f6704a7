import { strict as assert } from "node:assert";
import { TRAIN_METHODS } from "../../../src/protocol/training";
import { UserError } from "../../../src/worker/formats/errors";
import { allocate } from "../../../src/worker/formats/tensor";
import { input } from "../../../src/worker/graph/build";
import type { Node } from "../../../src/worker/graph/node";
import { rowOf } from "../../../src/worker/training/choose";
import { LOSSES } from "../../../src/worker/training/losses/registry";
import { OPTIMIZERS } from "../../../src/worker/training/optimizers/registry";
import { PackedLayout } from "../../../src/worker/training/packed";
import { SCHEDULES } from "../../../src/worker/training/schedules/registry";

describe("training's registries", () => {
  for (const [what, rows] of [
    ["loss", LOSSES],
    ["optimizer", OPTIMIZERS],
    ["schedule", SCHEDULES],
  ] as const) {
    it(`give each ${what} an id of its own, and refuse an unknown id with a list`, () => {
      const ids = rows.map(({ id }) => id);
      assert.equal(new Set(ids).size, ids.length);
      const known = rows as readonly [{ id: string }, ...{ id: string }[]];
      for (const row of rows) assert.equal(rowOf(known, row.id, what), row);
      assert.throws(
        () => rowOf(known, "none", what),
        (e) => e instanceof UserError && e.message === `there is no ${what} "none"; choose ${ids.join(", ")}`,
      );
    });
  }

  for (const { id, make } of OPTIMIZERS) {
    for (const weightDecay of [0, 0.1]) {
      it(`${id} with weight decay ${weightDecay} feeds its scalars and returns its state`, () => {
        const optimizer = make({ weightDecay });
        const layout = new PackedLayout([{ path: "p", shape: [3] }]);
        const vector = (name: string) => input(name, [3], "float32") as Node;
        const scalar = (name: string) => input(name, [], "float32") as Node;
        assert.deepEqual([...optimizer.feeds(1, 0.1).keys()], optimizer.scalars);
        for (const { initial } of optimizer.state) assert.deepEqual(initial(layout), allocate("float32", [3]));
        const names = optimizer.state.map(({ name }) => name);
        const updated = optimizer.update({
          parameters: vector("p"),
          gradient: vector("g"),
          state: new Map(names.map((name) => [name, vector(name)])),
          scalars: new Map(optimizer.scalars.map((name) => [name, scalar(name)])),
          layout,
        });
        assert.deepEqual([...updated.state.keys()], names);
        for (const node of [updated.parameters, ...updated.state.values()]) assert.deepEqual(node.shape, [3]);
      });
    }
  }

  it("take an adapter's learning rate ten times as high as full fine-tuning's", () => {
    assert.equal(TRAIN_METHODS.lora.learningRate, 10 * TRAIN_METHODS.full.learningRate);
  });
});
