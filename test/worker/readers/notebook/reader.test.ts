import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { notebookText } from "../../../../src/worker/readers/notebook/cells";
import { chooseModel, openModelFile } from "../../../../src/worker/readers/open";
import { summarize } from "../../../../src/worker/readers/summary";

const FILE = "/notes/lora.ipynb";
const HEAD = "import torch\nimport torch.nn as nn";

const net = (hidden: number) => `class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, ${hidden})

    def forward(self, x):
        return self.fc(x)
`;

/** A notebook whose cells are code, but for those that begin with "# ": Markdown. */
function notebook(...sources: string[]): string {
  return notebookText(sources.map((text) => ({ code: !text.startsWith("# "), language: "python", text })));
}

async function summary(...sources: string[]) {
  return summarize(await openModelFile(FILE, notebook(...sources)));
}

const shown = ({ models }: Awaited<ReturnType<typeof summary>>) =>
  models.map((model) => [
    model.class,
    model.place.cell,
    model.place.line,
    ...model.layers.map(({ path, outFeatures, place }) => `${path} ${outFeatures} ${place.cell}:${place.line}`),
  ]);

describe("notebooks", () => {
  it("are one module; cells count with the Markdown ones and lines in their cell", async () => {
    const file = await summary("# Notes", HEAD, "# More", `\n\n${net(8)}`, "Net()(torch.randn(2, 4))");
    assert.deepEqual(shown(file), [["Net", 4, 3, "fc 8 4:6"]]);
    assert.deepEqual(file.problems, []);
    assert.deepEqual(file.models[0]!.layers[0]!.place, { cell: 4, line: 6, column: 19, endLine: 6, endColumn: 34 });
  });

  it("a syntax error spoils its own cell only, also when it leaves a bracket or a string open", async () => {
    for (const broken of ["x = (1,", 's = """never closed', "def f(:", "class A(\n"]) {
      const file = await summary(HEAD, broken, net(8));
      assert.deepEqual(shown(file), [["Net", 3, 1, "fc 8 3:4"]], broken);
      const errors = file.problems.filter(({ severity }) => severity === "error");
      assert.ok(errors.length > 0, broken);
      for (const { place } of errors) {
        assert.equal(place.cell, 2);
        assert.ok(place.endLine <= broken.split("\n").length, JSON.stringify(place));
      }
    }
  });

  it("a class that a later cell defines again is the later one", async () => {
    const file = await summary(HEAD, net(8), net(16), "Net()");
    assert.deepEqual(shown(file), [["Net", 3, 1, "fc 16 3:4"]]);
    assert.deepEqual(
      file.problems.map(({ message, place, severity }) => [message, place.cell, severity]),
      [["Net is defined again at cell 3, line 1, and that definition is the one shown", 2, "information"]],
    );
  });

  it("names of an earlier cell size the layers of a later one, and its calls give the inputs", async () => {
    const opened = await openModelFile(
      FILE,
      notebook(HEAD, "hidden = 32", net(8).replace("8", "hidden"), "x = torch.randn(5, 4)\nNet()(x)"),
    );
    const { graph, inputsFrom } = chooseModel(opened).trace();
    assert.deepEqual(graph.outputs.get("output")!.shape, [5, 32]);
    assert.equal(inputsFrom, "the call at cell 4, line 2");
    const place = graph.outputs.get("output")!.place!;
    assert.deepEqual([place.cell, place.line], [3, 7]);
  });

  it("the result of a magic or a shell command is unknown, and so are values that depend on it", async () => {
    const text = `n = !cat n.txt\n${net(8)}\nclass Other(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(4, n)\n`;
    const file = await summary(HEAD, text, "display(Net())\nget_ipython().system('ls')");
    assert.deepEqual(shown(file), [
      ["Net", 2, 2, "fc 8 2:5"],
      ["Other", 2, 10, "fc null 2:13"],
    ]);
    assert.deepEqual(
      file.problems.map(({ message }) => message),
      ["out_features of fc is unknown: the output of a shell command or magic is not known while the notebook is read"],
    );
  });

  it("cells of another language are skipped, and say so", async () => {
    const cell = (languageId: string, source: string) => ({
      cell_type: "code",
      metadata: { vscode: { languageId } },
      source,
    });
    const text = JSON.stringify({
      nbformat: 4,
      cells: [cell("python", HEAD), cell("r", "x <- c("), cell("python", net(8))],
    });
    const file = summarize(await openModelFile(FILE, text));
    assert.deepEqual(shown(file), [["Net", 3, 1, "fc 8 3:4"]]);
    assert.deepEqual(
      file.problems.map(({ message, place }) => [message, place.cell]),
      [["this cell is r, not Python, and is not read", 2]],
    );
  });

  it("a notebook of another kernel has no models", async () => {
    const cells = [{ cell_type: "code", metadata: {}, source: [HEAD, "\n", net(8)] }];
    const text = JSON.stringify({ nbformat: 4, metadata: { kernelspec: { language: "julia" } }, cells });
    const { models, problems } = summarize(await openModelFile(FILE, text));
    assert.deepEqual([models, problems.length], [[], 1]);
    assert.match(problems[0]!.message, /this cell is julia/);
  });

  it("nbformat 3 is read", async () => {
    const cells = [
      { cell_type: "heading", source: "Net", level: 1 },
      { cell_type: "code", language: "python", input: [`${HEAD}\n`, net(8)], outputs: [] },
    ];
    const text = JSON.stringify({ nbformat: 3, metadata: { name: "" }, worksheets: [{ cells }] });
    assert.deepEqual(shown(summarize(await openModelFile(FILE, text))), [["Net", 2, 3, "fc 8 2:6"]]);
  });

  for (const [what, text, message] of [
    ["no JSON", "{", /not valid JSON/],
    ["no notebook", "[]", /not an object/],
    ["no format", '{"cells": []}', /"nbformat"/],
    ["no cells", '{"nbformat": 4, "cells": {}}', /"cells" are not a list/],
    ["an old format", '{"nbformat": 2}', /nbformat 2/],
    ["a cell that is none", '{"nbformat": 4, "cells": [7]}', /cell 1 is not an object/],
    ["a source that is none", '{"nbformat": 4, "cells": [{"cell_type": "code", "source": 7}]}', /source of cell 1/],
    ["too many cells", JSON.stringify({ nbformat: 4, cells: Array(10_001).fill({}) }), /10001 cells/],
  ] as const) {
    it(`${what}: one problem that says so`, async () => {
      const { models, problems } = await openModelFile(FILE, text);
      assert.deepEqual([models.length, problems.length], [0, 1]);
      assert.match(problems[0]!.message, message);
    });
  }

  it("an empty file is a notebook without cells", async () => {
    assert.deepEqual(summarize(await openModelFile(FILE, "")), { models: [], problems: [] });
  });

  it("the example's classes are there, the base model's layers known", async () => {
    const file = join(__dirname, "../../../../examples/course/lora.ipynb");
    const opened = await openModelFile(file, await readFile(file, "utf8"));
    assert.deepEqual(
      opened.models.map(({ className, root, place }) => [className, root.parameters, place.cell]),
      [
        ["DigitClassifier", 26_122, 4],
        ["LoRALinear", 9_856, 8],
        ["AdaptedClassifier", 29_706, 10],
      ],
    );
    assert.deepEqual(opened.problems, []);
    for (const model of opened.models) if (model.className !== "LoRALinear") model.trace();
  });
});
