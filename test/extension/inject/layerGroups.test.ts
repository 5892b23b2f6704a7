import { strict as assert } from "node:assert";
import { groupLayers, keyOf, LayerChoice, patternOf, type Row } from "../../../src/extension/inject/layerGroups";

const layer = (path: string, inFeatures = 8, outFeatures = 8) => ({ path, inFeatures, outFeatures, lora: 10 });
type Layer = ReturnType<typeof layer>;

/** Two blocks of two layers, and a head. */
const LAYERS = [
  layer("layers.0.query"),
  layer("layers.0.fc", 8, 32),
  layer("layers.1.query"),
  layer("layers.1.fc", 8, 32),
  layer("head"),
];

const shown = (rows: readonly Row<Layer>[]) =>
  rows.map((row) => {
    const name =
      row.kind === "group" ? `${row.group.pattern} ${row.chosen}/${row.group.layers.length}` : row.layer.path;
    return `${row.checked ? "[x]" : "[ ]"} ${name}`;
  });

/** Switches the checks of some rows, as somebody does in the list. */
function press(choice: LayerChoice<Layer>, ...names: string[]): boolean {
  const rows = choice.rows();
  const checked = new Set(rows.filter((row) => row.checked).map(keyOf));
  for (const row of rows) {
    const name = row.kind === "group" ? row.group.pattern : row.layer.path;
    if (names.includes(name) && !checked.delete(keyOf(row))) checked.add(keyOf(row));
  }
  return choice.check(rows, checked);
}

const open = (choice: LayerChoice<Layer>, pattern: string) => {
  const row = choice.rows().find((one) => one.kind === "group" && one.group.pattern === pattern);
  assert.ok(row?.kind === "group");
  choice.toggle(row.group);
};

describe("groups of layers in the injection dialog", () => {
  it("a pattern has a star for each number that is a whole part of the path", () => {
    assert.equal(patternOf("layers.12.attention.query"), "layers.*.attention.query");
    assert.equal(patternOf("0.experts.7.fc1"), "*.experts.*.fc1");
    assert.equal(patternOf("conv2d.fc1"), "conv2d.fc1");
  });

  it("layers of one pattern and size are a group, and a layer that is alone keeps its path", () => {
    const groups = groupLayers(LAYERS);
    assert.deepEqual(
      groups.map(({ pattern, layers }) => [pattern, layers.length]),
      [
        ["layers.*.query", 2],
        ["layers.*.fc", 2],
        ["head", 1],
      ],
    );
    const sequential = groupLayers([layer("net.0", 64, 128), layer("net.2", 128, 128), layer("net.4", 128, 128)]);
    assert.deepEqual(
      sequential.map(({ pattern, layers }) => [pattern, layers.length]),
      [
        ["net.0", 1],
        ["net.*", 2],
      ],
    );
  });

  it("the check of a group chooses all of its layers, and the total counts them", () => {
    const choice = new LayerChoice(LAYERS, []);
    assert.deepEqual(choice.total, { layers: 0, of: 5, trainable: 0 });
    assert.equal(press(choice, "layers.*.query"), true);
    assert.deepEqual(
      choice.selected.map(({ path }) => path),
      ["layers.0.query", "layers.1.query"],
    );
    assert.deepEqual(choice.total, { layers: 2, of: 5, trainable: 20 });
    press(choice, "layers.*.query", "head");
    assert.deepEqual(
      choice.selected.map(({ path }) => path),
      ["head"],
    );
  });

  it("an open group shows its layers, and one that is unchecked leaves the group partly chosen", () => {
    const choice = new LayerChoice(LAYERS, LAYERS.slice(0, 4));
    open(choice, "layers.*.query");
    press(choice, "layers.1.query");
    assert.deepEqual(shown(choice.rows()), [
      "[ ] layers.*.query 1/2",
      "[x] layers.0.query",
      "[ ] layers.1.query",
      "[x] layers.*.fc 2/2",
      "[ ] head",
    ]);
    assert.equal(choice.total.layers, 3);
    press(choice, "layers.*.query");
    assert.equal(choice.total.layers, 4);
    open(choice, "layers.*.query");
    assert.deepEqual(shown(choice.rows()), ["[x] layers.*.query 2/2", "[x] layers.*.fc 2/2", "[ ] head"]);
  });

  it("a group that is partly chosen keeps its choice while it is closed and others change", () => {
    const choice = new LayerChoice(LAYERS, [LAYERS[0]!]);
    press(choice, "head");
    assert.deepEqual(
      choice.selected.map(({ path }) => path),
      ["layers.0.query", "head"],
    );
  });

  it("the box above the list checks all of its rows, open groups among them, and unchecks them again", () => {
    const choice = new LayerChoice(LAYERS, [LAYERS[0]!]);
    open(choice, "layers.*.query");
    const all = () => new Set(choice.rows().map(keyOf));
    choice.check(choice.rows(), all());
    assert.equal(choice.total.layers, 5);
    choice.check(choice.rows(), new Set());
    assert.equal(choice.total.layers, 0);
  });

  it("checks that are as they were drawn change nothing", () => {
    const choice = new LayerChoice(LAYERS, LAYERS);
    assert.equal(press(choice), false);
    assert.equal(choice.total.layers, 5);
  });

  it("all groups open and close at once", () => {
    const choice = new LayerChoice(LAYERS, []);
    choice.toggleAll();
    assert.equal(choice.rows().length, 7);
    choice.toggleAll();
    assert.equal(choice.rows().length, 3);
  });

  it("226 layers of 32 equal blocks are nine rows", () => {
    const names = ["q", "k", "v", "o", "gate", "up", "down"];
    const blocks = Array.from({ length: 32 }, (_, i) => names.map((name) => layer(`layers.${i}.${name}`))).flat();
    const choice = new LayerChoice([...blocks, layer("projector"), layer("lm_head")], []);
    assert.equal(choice.rows().length, 9);
    press(choice, "layers.*.q", "layers.*.v");
    assert.equal(choice.total.layers, 64);
  });
});
