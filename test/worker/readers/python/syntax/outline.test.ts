import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Stmt } from "../../../../../src/worker/readers/python/syntax/ast";
import { pieceStarts } from "../../../../../src/worker/readers/python/syntax/logicalLines";
import { outline } from "../../../../../src/worker/readers/python/syntax/outline";
import { parse } from "../../../../../src/worker/readers/python/syntax/parse";
import { skeleton } from "../../../../../src/worker/readers/python/syntax/skeleton";

const ROOT = join(__dirname, "../../../../..");
const SOURCES = ["examples", "test/fixtures/parity", "test/fixtures/python"].map((folder) => join(ROOT, folder));

const long = (indent: string) => `${indent}total = 0\n`.repeat(20);

/** Everything that the syntax says, but where a function ends: left out, it ends with its line break. */
function plain(statements: readonly Stmt[]): unknown {
  return JSON.parse(
    JSON.stringify(statements, (key, value) => {
      if (key === "end") return undefined;
      if (typeof value === "bigint") return `${value}n`;
      if (value?.kind !== "Function") return value;
      const { kind, name, nameSpan, params, body, decorators, generator, start } = value;
      return { kind, name, nameSpan, params, body, decorators, generator, start };
    }),
  );
}

async function same(text: string): Promise<void> {
  const whole = await parse(text);
  assert.deepEqual(whole.errors, []);
  const parts = outline(text).flatMap((s) => s.statements());
  assert.deepEqual(plain(parts), plain(whole.body));
}

describe("the outline of an imported module", () => {
  before(() => parse(""));

  it("gives the statements that parsing the whole gives", async () => {
    await same(
      `"""A module."""
from __future__ import annotations
import os; import sys  # two

try:
    import fast
except ImportError:
    def fast(x):
${long("        ")}
        return x

@decorated(
    with_brackets={
"key": [1, 2],
    },
)
# between
@twice
class Net(nn.Module):
    """Says 'class' and
def nothing(): of a (bracket
    """

    size: int = 3
    @property
    def wide(self) -> Dict[str, "a:b"]:  # a comment: here
${long("        ")}
        # the last line is a comment

    async def later(self, *args: int, key=lambda x: (x, ":")) -> None:
${long("        ")}
    if size:
        def inner(self):
${long("            ")}
            yield self
    else:
        def inner(self): return [
            1,
        ]
\tdef_ = 3

def after(x=\\
    3):
${long("    ")}
    def nested():
        yield 1
    return nested
value = {
  "a": after(),
}
`.replace("\tdef_ = 3\n", ""),
    );
  });

  it("gives what parsing gives for all sources of the fixtures and examples", async () => {
    for (const folder of SOURCES) {
      for (const entry of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
        if (!entry.endsWith(".py")) continue;
        const text = readFileSync(join(folder, entry), "utf8");
        if ((await parse(text)).errors.length === 0) await same(text);
      }
    }
  });

  it("knows a definition's name before it is parsed", () => {
    const names = outline("@a\n@b(\n)\nclass A: pass\nasync def f(): pass\nx = 1\ndefault = 2\n").map((s) => s.name);
    assert.deepEqual(names, ["A", "f", undefined, undefined]);
  });

  it("parses a method's body when it is asked for, with its places in the file", () => {
    const text = `x = 1\nclass A:\n    def f(self):\n${long("        ")}        yield self\n    def g(self): pass\n`;
    const [type] = outline(text)[1]!.statements();
    assert.ok(type?.kind === "Class");
    const [f, g] = type.body;
    assert.ok(f?.kind === "Function" && g?.kind === "Function");
    assert.equal(f.generator, true);
    const last = f.body.at(-1)!;
    assert.equal(text.slice(last.start, last.end), "yield self");
    assert.equal(g.name, "g");
  });

  it("leaves out a piece that is not Python, and nothing else", () => {
    const found = outline("a = 1\ndef broken(:\n    x = (\nclass B:\n    pass\n");
    assert.deepEqual(
      found.filter((s) => s.name === "B").map((s) => s.statements()[0]?.kind),
      ["Class"],
    );
  });
});

describe("the skeleton of a piece", () => {
  it("has the text's length, and a pass for every long body", () => {
    const text = `class A:\r\n    def f(self):\r\n${long("        ").replaceAll("\n", "\r\n")}    x = "def g():\n"\n`;
    const { text: short, functions } = skeleton(text);
    assert.equal(short.length, text.length);
    assert.equal(functions.size, 1);
    const [[at, { start, end }]] = [...functions] as [[number, { start: number; end: number }]];
    assert.equal(text.slice(at, at + 1), "f");
    assert.equal(text.slice(start, start + 6), "def f(");
    assert.match(text.slice(end), /^ {4}x = /);
    assert.match(short, /def f\(self\): pass +\n {4}x = /);
  });

  it("does not take a def in a string or a bracket for one", () => {
    assert.equal(skeleton(`s = """\ndef f():\n${long("    ")}"""\n`).functions.size, 0);
  });
});

describe("the pieces of a text", () => {
  it("begin at definitions, their decorators, and the code after them", () => {
    const pieces = [
      "a = 1\nb = (\n)\n",
      "@d\nclass A:\n  x = '''\ndef f'''\n",
      "def f(): pass\n",
      "c = 2\nif c:\n  def g(): pass\n",
    ];
    const text = pieces.join("");
    const starts = pieceStarts(text);
    assert.deepEqual(
      starts.map((start, i) => text.slice(start, starts[i + 1])),
      pieces,
    );
  });

  it("end an open bracket at the next definition", () => {
    assert.deepEqual(pieceStarts("x = (\ndef f(): pass\n"), [0, 6]);
  });
});
