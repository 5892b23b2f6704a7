import { strict as assert } from "node:assert";
import type { MarkupContent } from "vscode-languageserver";
import { code } from "../../../src/worker/language/codeSpan";
import { hover } from "../../../src/worker/language/hover";
import { linear, model, place, reading } from "./files";

const SETTINGS = { rank: 8, alpha: 16 };

function text(models: Parameters<typeof reading>[0], line: number, character: number, settings = SETTINGS): string {
  const shown = hover(reading(models), { line: line - 1, character: character - 1 }, settings);
  return shown ? (shown.contents as MarkupContent).value : "";
}

describe("hover", () => {
  const net = [model("Net", [linear("fc", 768, 768, 4), linear("head", 768, 10, 5)])];

  it("shows the numbers over ranks on the layer's constructor", () => {
    const rows = text(net, 4, 12)
      .split("\n")
      .filter((row) => row.startsWith("| "));
    assert.deepEqual(rows.slice(1), [
      "| ---: | ---: | ---: | ---: |",
      "| 4 | 6,144 | 96.1× fewer | 24.0 KiB |",
      "| **8** | 12,288 | 48.1× fewer | 48.0 KiB |",
      "| 16 | 24,576 | 24.0× fewer | 96.0 KiB |",
      "| 32 | 49,152 | 12.0× fewer | 192.0 KiB |",
      "| 64 | 98,304 | 6.0× fewer | 384.0 KiB |",
    ]);
  });

  it("names the highest rank that saves parameters", () => {
    // 590,592 parameters over 1,536 a rank: 384.5.
    assert.match(text(net, 4, 12), /up to rank 384\./);
  });

  it("adds the rank of the settings", () => {
    assert.match(text(net, 4, 12, { rank: 6, alpha: 6 }), /\| \*\*6\*\* \| 9,216 \|/);
  });

  it("marks ranks above a side of the layer, and still shows their cost", () => {
    // 16 * (768 + 10)
    assert.match(text(net, 5, 12), /\| 16 \| 12,448, above a side of 768 → 10 \| 1\.6× more \|/);
    assert.doesNotMatch(text(net, 5, 12), /\| \*\*8\*\* \| 6,224, above/);
  });

  it("shows a class's totals on its line", () => {
    assert.match(text(net, 1, 3), /`Net`[\s\S]*\| \*\*8\*\* \| 12,288 \| 2\.0 % \| 48\.0 KiB \|/);
  });

  it("says which layers the default leaves out", () => {
    assert.match(text(net, 1, 3), /Left out unless you name them: `head`, the output head\.$/);
    const uncalled = { ...linear("read", 64, 64, 4), neverCalled: true as const };
    assert.match(
      text([model("Net", [uncalled])], 4, 12),
      /It is never called; only its weight is read. An adapter here has no/,
    );
  });

  it("shows nothing elsewhere", () => {
    assert.equal(text(net, 4, 2), "");
    assert.equal(text(net, 9, 12), "");
  });

  it("prefers the innermost constructor", () => {
    const outer = { ...linear("outer", 32, 32, 4), place: { ...place(4), endLine: 8 } };
    const inner = { ...linear("inner", 16, 16, 5), place: place(5) };
    assert.match(text([model("Net", [outer, inner])], 5, 12), /`inner`/);
  });

  it("keeps names with markup in code spans", () => {
    const named = [model("Net", [linear("<img src=x onerror=alert(1)>", 768, 768, 4)])];
    assert.match(text(named, 4, 12), /on `<img src=x onerror=alert\(1\)>` /);
    assert.equal(code("a`b``c"), "```a`b``c```");
    assert.equal(code("`x"), "`` `x ``");
    assert.equal(code("a\nb"), "`a b`");
  });
});
