import { strict as assert } from "node:assert";
import type { FileShapes } from "../../../src/worker/language/fileShapes";
import { inlayHints } from "../../../src/worker/language/inlayHints";

const SHAPES: FileShapes = {
  traces: [
    {
      class: "Net",
      inputs: [{ name: "ids", shape: [2, 16], dtype: "int64" }],
      inputsFrom: "the call at line 9",
      names: [
        { name: "B", input: "ids", axis: 0, size: 2 },
        { name: "T", input: "ids", axis: 1, size: 16 },
      ],
    },
  ],
  hints: [
    {
      place: { line: 3, column: 9, endLine: 3, endColumn: 10 },
      dims: ["B", "2·T", "64"],
      dtype: "float32",
      shapes: [[2, 32, 64]],
      runs: 1,
      trace: 0,
    },
    {
      place: { line: 7, column: 9, endLine: 7, endColumn: 10 },
      dims: ["B", "…"],
      dtype: "float32",
      shapes: [
        [2, 8],
        [2, 4],
      ],
      runs: 3,
      trace: 0,
    },
  ],
  problems: [],
};
const ALL = { start: { line: 0, character: 0 }, end: { line: 100, character: 0 } };

describe("inlay hints", () => {
  it("stand behind the target and say shape, example and names", () => {
    const [first] = inlayHints(SHAPES, ALL);
    assert.deepEqual(first!.position, { line: 2, character: 9 });
    assert.equal(first!.label, ": [B, 2·T, 64]");
    const { value } = first!.tooltip as { value: string };
    assert.equal(
      value,
      [
        "**2 × 32 × 64** · float32",
        "for the example input `ids` int64 2 × 16 of Net, the call at line 9",
        "`B` is dimension 0 of `ids`, 2 in the example",
        "`T` is dimension 1 of `ids`, 16 in the example",
      ].join("  \n"),
    );
  });

  it("keep Markdown in a module's name as text", () => {
    const named = { ...SHAPES.traces[0]!, inputsFrom: "inferred from ![](https://example.org/x.png)" };
    const { value } = inlayHints({ ...SHAPES, traces: [named] }, ALL)[0]!.tooltip as { value: string };
    assert.match(value, /inferred from \\!\\\[\\\]\\\(https:\/\/example\\\.org\/x\\\.png\\\)/);
  });

  it("list the shapes of a line that runs with several", () => {
    const { value } = inlayHints(SHAPES, ALL)[1]!.tooltip as { value: string };
    assert.match(value, /^\*\*2 × 8, 2 × 4\*\* · float32 · this line runs 3 times/);
  });

  it("are those of the range and of the cell", () => {
    const range = { start: { line: 4, character: 0 }, end: { line: 8, character: 0 } };
    assert.equal(inlayHints(SHAPES, range).length, 1);
    assert.equal(inlayHints(SHAPES, ALL, 2).length, 0);
  });

  it("are written without spaces where VS Code would cut off a line's hints", () => {
    const hint = (column: number, dims: readonly string[]) => ({
      place: { line: 5, column, endLine: 5, endColumn: column + 1 },
      dims,
      dtype: "float32" as const,
      shapes: [[2, 8, 16, 64]],
      runs: 1,
      trace: 0,
    });
    const labels = (dims: readonly string[]) =>
      inlayHints({ ...SHAPES, hints: [hint(3, dims), hint(9, dims)] }, ALL).map(({ label }) => label);
    assert.deepEqual(labels(["batch", "8", "length", "64"]), [": [batch,8,length,64]", ": [batch,8,length,64]"]);
    assert.deepEqual(labels(["B", "8", "T", "64"]), [": [B, 8, T, 64]", ": [B, 8, T, 64]"]);
  });
});
