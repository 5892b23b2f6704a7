import { strict as assert } from "node:assert";
import { COMMANDS } from "../../../src/protocol/commands";
import { codeLenses } from "../../../src/worker/language/codeLens";
import { fewer } from "../../../src/worker/language/numbers";
import { embedding, linear, model, place, reading } from "./files";

const SETTINGS = { rank: 8, alpha: 16 };
const URI = "file:///net.py";

function titles(...models: Parameters<typeof reading>[0]): string[] {
  return codeLenses(URI, reading(models), SETTINGS).map((lens) => lens.command!.title);
}

/** Titles above layers, without those above classes. */
function layerTitles(...models: Parameters<typeof reading>[0]): string[] {
  return codeLenses(URI, reading(models), SETTINGS)
    .filter((lens) => lens.range.start.line > 0)
    .map((lens) => lens.command!.title);
}

describe("code lenses", () => {
  it("say what LoRA costs at a layer", () => {
    assert.deepEqual(layerTitles(model("Net", [linear("fc", 768, 768, 4)])), [
      "LoRA r=8 · 12,288 trainable · 48.1× fewer · scale 2",
    ]);
  });

  it("share one lens next to the model's own where a line makes the model and its layers", () => {
    const at = (column: number, layer: ReturnType<typeof linear>) => ({ ...layer, place: place(1, column) });
    const layers = [at(23, linear("0", 64, 96, 1)), at(42, linear("1", 96, 4, 1)), at(60, linear("2", 4, 10, 1))];
    const net = model("net", layers);
    const [summary, ...others] = titles(net);
    assert.match(summary!, /^LoRA/);
    assert.deepEqual(others.slice(4), ["each 1,280 · 800 · 112 trainable"]);
  });

  it("lead to the line of another file that gives the sizes", () => {
    const madeElsewhere = { file: "/project/train.py", path: "../train.py", line: 9 };
    const net = { ...model("Net", [linear("fc", 64, 64, 4)]), madeElsewhere };
    const { command } = codeLenses(URI, reading([net]), SETTINGS).find(({ command: c }) =>
      c!.title.startsWith("sizes"),
    )!;
    const args = [{ file: "/project/train.py", line: 9 }];
    assert.deepEqual(command, { title: "sizes from ../train.py, line 9", command: COMMANDS.showLine, arguments: args });
    const held = { ...net, madeElsewhere: { ...madeElsewhere, by: "Whole" }, configuration: "config.json" };
    assert.ok(titles(held).includes("sizes from Whole in ../train.py"));
  });

  it("are not repeated for the layers that the class of another file makes", () => {
    const layers = [0, 1].map((i) => linear(`blocks.${i}`, 64, 64, 1));
    assert.equal(titles(model("net", layers)).length, 5);
    assert.equal(titles(model("Net", [...layers, linear("head", 64, 8, 3)])).length, 7);
  });

  it("say that an adapter has no effect on a layer that is never called, and do not count one", () => {
    const uncalled = { ...linear("read", 64, 64, 5), neverCalled: true as const };
    const net = model("Net", [linear("fc", 64, 64, 4), uncalled, linear("head", 64, 64, 6)]);
    const targets = new Map([["Net", ["fc"]]]);
    const shown = codeLenses(URI, { ...reading([net]), defaultTargets: targets }, SETTINGS);
    const found = shown.map((lens) => lens.command!.title);
    assert.match(found[0]!, /targets 1 of 3 Linear layers .* · 1 never called · all but head, the output head$/);
    assert.ok(found.includes("LoRA: never called, only its weight is read · an adapter has no effect"));
  });

  it("leave the bias out where there is none", () => {
    assert.deepEqual(layerTitles(model("Net", [linear("fc", 768, 768, 4, false)])), [
      "LoRA r=8 · 12,288 trainable · 48.0× fewer · scale 2",
    ]);
  });

  it("count the layers that one line makes", () => {
    const layers = [0, 1, 2, 3].map((i) => linear(`blocks.${i}.fc`, 768, 768, 4));
    assert.deepEqual(layerTitles(model("Net", layers)), [
      "LoRA r=8 · 4 layers · 49,152 trainable · 48.1× fewer · scale 2",
    ]);
  });

  it("stand once above a line that several models share, for the one that contains the others", () => {
    const block = model("Block", [linear("fc", 64, 64, 4)]);
    const net = model("Net", [linear("a.fc", 64, 64, 4), linear("b.fc", 64, 64, 4)]);
    const lenses = codeLenses(URI, reading([block, net]), SETTINGS).filter((lens) => lens.range.start.line === 3);
    assert.deepEqual(
      lenses.map((lens) => lens.command),
      [
        {
          title: "LoRA r=8 · 2 layers · 2,048 trainable · 4.1× fewer · scale 2",
          command: COMMANDS.analyze,
          arguments: [{ uri: URI, class: "Net", layer: "a.fc" }],
        },
      ],
    );
  });

  it("name what is unknown and offer no analysis of it", () => {
    const net = model("Net", [linear("a", null, 10, 4), linear("b", null, null, 5)]);
    const lenses = codeLenses(URI, reading([net]), SETTINGS);
    assert.deepEqual(
      lenses.map(({ command }) => [command!.title, command!.command]),
      [
        ["LoRA: its 2 Linear layers are of unknown size", ""],
        ["LoRA: in_features is unknown", ""],
        ["LoRA: in_features and out_features are unknown", ""],
      ],
    );
  });

  it("say when the rank is larger than the layer", () => {
    assert.deepEqual(layerTitles(model("Net", [linear("fc", 768, 4, 4)])), [
      "LoRA r=8 · 6,176 trainable · 2.0× more · scale 2 · a rank above 4 adds nothing here",
    ]);
  });

  it("say when LoRA trains more than the layer has", () => {
    assert.deepEqual(layerTitles(model("Net", [linear("fc", 8, 8, 4)])), [
      "LoRA r=8 · 128 trainable · 1.8× more · scale 2",
    ]);
  });

  it("count known and unknown layers of a line separately", () => {
    const net = model("Net", [linear("a", 768, 768, 4), linear("b", null, 768, 4), linear("c", 768, 2, 4)]);
    assert.deepEqual(layerTitles(net), [
      "LoRA r=8 · 2 layers · 18,448 trainable · 32.1× fewer · scale 2 · 1 with a side smaller than the rank · 1 of unknown size",
    ]);
  });

  it("sum up a class, with its commands", () => {
    const net = model("Net", [linear("a", 768, 768, 4), linear("b", 768, 768, 5), linear("head", 768, 10, 6)]);
    assert.deepEqual(titles(net).slice(0, 5), [
      "LoRA r=8 targets 2 of 3 Linear layers · 24,576 trainable (2.0 %) · all but head, the output head",
      "Inject…",
      "Verify",
      "Analyze",
      "Train…",
    ]);
  });

  it("name the layer that the rank exceeds, above the class", () => {
    const net = model("Net", [linear("a", 768, 4, 4), linear("head", 768, 10, 6)]);
    assert.match(
      titles(net)[0]!,
      /^LoRA r=8 targets 1 of 2 Linear layers · 6,176 trainable .* · the rank is above a side of a \(768 → 4\)/,
    );
  });

  it("give the share as unknown when the model's size is", () => {
    const net = model("Net", [linear("a", 768, 768, 4), linear("head", 768, null, 6)]);
    assert.equal(
      titles(net)[0],
      "LoRA r=8 targets 1 of 2 Linear layers · 12,288 trainable of an unknown total · 1 of unknown size",
    );
  });

  it("show an embedding's size, and the total above a class without a Linear", () => {
    assert.deepEqual(titles(model("Table", [embedding("tokens", 50_257, 768, 4, 38_597_376)])), [
      "38.6 M parameters · no Linear layer",
      "Embedding · 50,257 × 768 · 38.6 M parameters, frozen",
    ]);
  });

  it("sum up a line's layers other than Linear, and show nothing where they have no parameters", () => {
    const layer = (path: string, kind: string, parameters: number, line: number) => ({
      ...embedding(path, null, null, line, parameters),
      kind,
    });
    const net = model("Net", [
      layer("0", "Conv2d", 448, 4),
      layer("1", "BatchNorm2d", 32, 4),
      layer("2", "ReLU", 0, 4),
      layer("pool", "MaxPool2d", 0, 5),
      layer("attention", "MultiheadAttention", 1_000, 6),
      layer("attention.out_proj", "NonDynamicallyQuantizableLinear", 250, 6),
    ]);
    assert.deepEqual(titles(net), [
      "1,730 parameters · no Linear layer",
      "Conv2d and BatchNorm2d · 2 layers · 480 parameters, frozen",
      "MultiheadAttention · 1,000 parameters, frozen",
    ]);
  });

  it("do not call an adapter smaller or larger if it is as large as its layer", () => {
    assert.equal(fewer(0.98), "about as many as the layer");
    assert.equal(fewer(1.2), "1.2× fewer");
    assert.equal(fewer(0.5), "2.0× more");
  });

  it("show a small scale with its digits", () => {
    const lenses = codeLenses(URI, reading([model("Net", [linear("fc", 768, 768, 4)])]), { rank: 64, alpha: 8 });
    assert.equal(lenses.at(-1)!.command!.title, "LoRA r=64 · 98,304 trainable · 6.0× fewer · scale 0.125");
  });

  it("stand at the layer's line and column", () => {
    const net = model("Net", [{ ...linear("fc", 768, 768, 4), place: place(4, 5) }]);
    assert.deepEqual(codeLenses(URI, reading([net]), SETTINGS).at(-1)!.range.start, { line: 3, character: 4 });
  });
});
