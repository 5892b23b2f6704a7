import { strict as assert } from "node:assert";
import { equalLayers } from "../../../../src/worker/lora/sizes/equalLayers";

const layer = (path: string, inFeatures: number, outFeatures: number, bias = true) => ({
  path,
  inFeatures,
  outFeatures,
  bias,
});

describe("equal layers", () => {
  it("are grouped by inputs, outputs and bias, in the order in which the sizes occur", () => {
    const groups = equalLayers([
      layer("blocks.0.query", 8, 8),
      layer("blocks.0.up", 8, 32),
      layer("blocks.0.key", 8, 8, false),
      layer("blocks.1.query", 8, 8),
      layer("blocks.1.up", 8, 32),
      layer("head", 32, 8),
    ]);
    assert.deepEqual(
      groups.map(({ name, paths }) => ({ name, paths })),
      [
        { name: "query", paths: ["blocks.0.query", "blocks.1.query"] },
        { name: "up", paths: ["blocks.0.up", "blocks.1.up"] },
        { name: "key", paths: ["blocks.0.key"] },
        { name: "head", paths: ["head"] },
      ],
    );
  });

  it("keep the number behind a name that is only a position", () => {
    const [group] = equalLayers([layer("net.0", 4, 4), layer("net.2", 4, 4)]);
    assert.equal(group!.name, "net.0, net.2");
    assert.equal(equalLayers([layer("0", 4, 4)])[0]!.name, "0");
  });

  it("list four names and count the rest", () => {
    const [group] = equalLayers(["a", "b", "c", "d", "e", "f"].map((path) => layer(path, 4, 4)));
    assert.equal(group!.name, "a, b, c, d, 2 more");
  });

  it("are told apart by whatever else must be equal", () => {
    const groups = equalLayers([layer("a", 4, 4), layer("b", 4, 4)], ({ path }) => path);
    assert.equal(groups.length, 2);
  });
});
