import assert from "node:assert/strict";
import { layersText } from "../../../../../src/worker/cli/text";
import { isNamed } from "../../../../../src/worker/readers/model";
import { summarize } from "../../../../../src/worker/readers/summary";
import { fixture, messages, modelNamed, read } from "../reading";

interface Entry {
  readonly name: string;
  readonly source: string;
  readonly parameters: number;
  readonly trainable: number;
  readonly state: readonly [key: string, shape: number[]][];
}

describe("an instance of the file's own class that has a configuration", () => {
  const classes = fixture("changed.py");
  for (const { name, source, parameters, trainable, state } of JSON.parse(fixture("changed.json")) as Entry[]) {
    const note = source.split("\n").slice(0, 4).join(" / ");
    if (name === "-") {
      it(`is left out where it is as its class makes it: ${note}`, async () => {
        const file = await read(classes + source);
        assert.deepEqual(messages(file), []);
        assert.deepEqual(
          file.models.filter(isNamed).map(({ className }) => className),
          [],
        );
      });
      continue;
    }
    it(`is a model by its name where it was changed, as PyTorch has it: ${note}`, async () => {
      const file = await read(classes + source);
      assert.deepEqual(messages(file), []);
      const model = modelNamed(file, name);
      assert.equal(model.root.parameters, parameters);
      assert.equal(model.root.trainable ?? parameters, trainable);
      assert.deepEqual(
        model.stateDict.map(({ path, shape }) => [path, shape]),
        state,
      );
    });
  }

  it("is listed with how many of its parameters learn", async () => {
    const file = await read(
      `${classes}model = GPT(Config())\nmodel.requires_grad_(False)\nmodel.head = nn.Linear(6, 2)\n`,
    );
    assert.match(layersText(summarize(file)), /^model: GPT \(line 46\) · 170 parameters, 14 trainable$/m);
  });
});
