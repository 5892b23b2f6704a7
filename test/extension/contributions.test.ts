import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { engineLabel, engineLabels } from "../../src/extension/engineLabels";
import { engines } from "../../src/worker/engines/choose";

const PACKAGE = JSON.parse(readFileSync(join(__dirname, "../../package.json"), "utf8"));

describe("package.json's contributions", () => {
  it("offer each engine under its own name, and the automatic choice", () => {
    const {
      enum: ids,
      enumItemLabels,
      markdownEnumDescriptions,
    } = PACKAGE.contributes.configuration.properties["loraLens.engine"];
    const listed = new Map(ids.map((id: string, i: number) => [id, enumItemLabels[i]]));
    const expected = new Map([["auto", "Automatic"], ...engines().map(({ id, label }) => [id, label] as const)]);
    assert.deepEqual(new Map([...listed].sort()), new Map([...expected].sort()));
    assert.equal(markdownEnumDescriptions.length, ids.length);
  });

  it("give the status its names of engines", () => {
    const labels = engineLabels(PACKAGE);
    assert.equal(engineLabel("auto", labels), "fastest engine");
    for (const { id, label } of engines()) assert.equal(engineLabel(id, labels), label);
    assert.equal(engineLabel("tensorrt", labels), "tensorrt");
  });
});
