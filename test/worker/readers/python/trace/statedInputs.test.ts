import { strict as assert } from "node:assert";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { shapesOf } from "../../../../../src/worker/language/fileShapes";
import { parseInput } from "../../../../../src/worker/readers/givenInputs";
import type { ModelFile } from "../../../../../src/worker/readers/model";
import { notebookText } from "../../../../../src/worker/readers/notebook/cells";
import { chooseModel, openModelFile } from "../../../../../src/worker/readers/open";
import { ReadingThread } from "../../../../../src/worker/server/reading/readingThread";
import { temporaryFolder } from "../../../formats/temporaryFolder";
import { messages, modelNamed, read, writeFiles } from "../reading";

const HEAD = "import torch\nfrom torch import nn\n\n";

/** A network for images of one size, which none of the sizes that are tried is. */
const cnn = (side: number, { above = "", beside = "", within = "", forward = "" } = {}) => `${above}
class Net(nn.Module):${beside}
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)${within}
        self.fc = nn.Linear(4 * ${side - 2} * ${side - 2}, 5)

    def forward(self, x):${forward}
        y = self.conv(x)
        return self.fc(y.flatten(1))
`;

const STATED = "# lora-lens: input x = 2,3,50,50";

function traced(opened: ModelFile, name = "Net") {
  const { inputs, inputsFrom } = modelNamed(opened, name).trace();
  return `${inputs.map((i) => `${i.name} ${i.dtype} [${i.shape.join(", ")}]`).join(", ")} from ${inputsFrom}`;
}

describe("inputs that a comment states", () => {
  const at = temporaryFolder();

  for (const [where, parts, line] of [
    ["above its class", { above: STATED }, 4],
    ["above its class and decorators", { above: `${STATED}\n@torch.no_grad(\n  1,\n)\n# and more\n` }, 4],
    ["at the class statement", { beside: `  ${STATED}` }, 5],
    ["under it", { beside: `\n    ${STATED}` }, 6],
    ["in the constructor", { within: `\n        ${STATED}` }, 9],
    ["beside a layer", { within: `  ${STATED}` }, 8],
    ["at forward", { forward: `  ${STATED}` }, 11],
    ["in forward, with other spelling", { forward: "\n        #Lora-Lens: input x=[2, 3, 50, 50]:float32" }, 12],
  ] as const) {
    it(`are the model's: ${where}`, async () => {
      const opened = await read(HEAD + cnn(50, parts));
      assert.equal(traced(opened), `x float32 [2, 3, 50, 50] from the comment at line ${line}`);
      assert.deepEqual(messages(opened), []);
    });
  }

  it("are several inputs', each in a comment, with dtypes, and None", async () => {
    const source = `${HEAD}
class Net(nn.Module):
    # lora-lens: input ids = 3,7
    # lora-lens: input weights = 3,7
    # lora-lens: input mask = none
    # lora-lens: input kinds = 3,7:int32
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(11, 4)
        self.kind = nn.Embedding(2, 4)
    def forward(self, ids, mask, weights, kinds):
        y = (self.table(ids) + self.kind(kinds)) * weights[..., None]
        return y if mask is None else y * mask
`;
    assert.equal(
      traced(await read(source)),
      "ids int64 [3, 7], weights float32 [3, 7], kinds int32 [3, 7] from the comments at line 6",
    );
  });

  it("override the file's own call, and apply to derived classes, but to no others", async () => {
    const other = cnn(50).replace("class Net", "class Other");
    const source = `${HEAD}${cnn(50, { within: `  ${STATED}` })}
class Wide(Net):
    pass
${other}
Net()(torch.randn(7, 3, 50, 50))
Wide()(torch.randn(7, 3, 50, 50))
Other()(torch.randn(7, 3, 50, 50))
`;
    const opened = await read(source);
    assert.match(traced(opened), /^x float32 \[2, 3, 50, 50\] from the comment/);
    assert.match(traced(opened, "Wide"), /^x float32 \[2, 3, 50, 50\] from the comment/);
    assert.match(traced(opened, "Other"), /^x float32 \[7, 3, 50, 50\] from the call/);
  });

  it("apply to a named module, on its line and above it", async () => {
    const layers = "nn.Sequential(\n    nn.Conv2d(3, 4, 3), nn.Flatten(),\n    nn.Linear(4 * 48 * 48, 5),\n)";
    const stated = STATED.replace(" x ", " input ");
    for (const source of [
      `model = ${layers.replace("(\n", `(  ${stated}\n`)}\n`,
      `model = ${layers.replace(",\n)", `,  ${stated}\n)`)}\n`,
      `${stated}\n\nmodel = ${layers}\n`,
      `def main():\n    net = ${layers.replaceAll("\n", "")}  ${stated}\n    print(net)\n`,
    ]) {
      const opened = await read(HEAD + source);
      const { className } = chooseModel(opened);
      assert.match(traced(opened, className), /^input float32 \[2, 3, 50, 50\] from the comment/);
      assert.deepEqual(messages(opened), []);
    }
  });

  it("in another file of the project apply where its class is imported", async () => {
    writeFiles(at("."), {
      "net.py": HEAD + cnn(50, { within: `  ${STATED}` }),
      "whole.py": `${HEAD}from net import Net\n\nclass Whole(Net):\n    def __init__(self):\n        super().__init__()\n        self.last = nn.Linear(5, 2)\n`,
    });
    const opened = await openModelFile(at("whole.py"));
    assert.equal(traced(opened, "Whole"), "x float32 [2, 3, 50, 50] from the comment at line 8");
  });

  it("determine the inputs of the model's parts", async () => {
    const source = `${HEAD}
class Part(nn.Module):
    def __init__(self, side):
        super().__init__()
        self.fc = nn.Linear(side * side, 5)
    def forward(self, y):
        return self.fc(y.flatten(1))

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 3)
        self.part = Part(48)
    def forward(self, x):
        ${STATED}
        return self.part(self.conv(x))
`;
    assert.equal(traced(await read(source), "Part"), "y float32 [2, 1, 48, 48] from the call in Net");
  });

  it("in a notebook's cell", async () => {
    const cells = [HEAD, cnn(50, { within: `\n        ${STATED}` })];
    const text = notebookText(cells.map((each) => ({ code: true, language: "python", text: each })));
    assert.equal(
      traced(await openModelFile("/notes/a.ipynb", text)),
      "x float32 [2, 3, 50, 50] from the comment at cell 2, line 6",
    );
  });

  it("are shown as shapes in the code, and give an error where they do not fit", async () => {
    const fine = HEAD + cnn(50, { beside: `  ${STATED}` });
    const { hints, traces, problems } = shapesOf(await read(fine));
    assert.deepEqual(
      hints.map(({ dims }) => dims.join()),
      ["B,4,48,48"],
    );
    assert.equal(traces[0]!.inputsFrom, "the comment at line 5");
    assert.deepEqual(problems, []);

    const wrong = HEAD + cnn(40, { beside: `  ${STATED}` });
    const found = shapesOf(await read(wrong)).problems;
    assert.deepEqual(
      found.map(({ severity, line, code }) => [severity, line, code]),
      [["error", 13, "shape-mismatch"]],
    );
    assert.match(found[0]!.message, /With x \[2, 3, 50, 50\] from the comment at line 5/);
  });

  it("that are invalid, or are not inputs of forward, are problems at the comment", async () => {
    for (const [comment, message] of [
      ["# lora-lens: input x = 2,3,a", /"2,3,a" is not a shape for input x: write a shape as 1,3,224,224/],
      ["# lora-lens: input 2,3,50,50", /this comment states no input: write # lora-lens: input x = /],
      ["# lora-lens: input x = 2,3:half", /half is not a dtype; use float64, float32, /],
      ["# lora-lens: input z = 2,3", /Net\.forward has no input "z" \(the comment at line 5\); it takes x/],
    ] as const) {
      const source = HEAD + cnn(50, { beside: `  ${comment}` });
      const found = shapesOf(await read(source)).problems;
      assert.equal(found.length, 1, comment);
      assert.deepEqual([found[0]!.line, found[0]!.severity], [5, "error"]);
      assert.match(found[0]!.message, message);
      const opened = await read(source);
      assert.throws(() => modelNamed(opened, "Net").trace(), message);
    }
    const lost = await read(`${HEAD}def f():\n    pass\n\n${STATED}\nx = 3\n${cnn(32)}`);
    assert.deepEqual(messages(lost), [
      "7: this comment states an input, but it is not at a model's class or assignment",
    ]);
    const text = await read(`${HEAD}s = """\n${STATED}\n"""\n${cnn(32)}`);
    assert.deepEqual(messages(text), []);
  });
});

describe("inputs that cannot be guessed", () => {
  it("give a message that explains how to state them on the command line, in the settings and in the code", async () => {
    const source = HEAD + cnn(50);
    const opened = await read(source);
    assert.throws(
      () => modelNamed(opened, "Net").trace(),
      /cannot be traced with x float32 \[2, 3, \d+, \d+\].*--input-shape x=2,3,\d+,\d+ on the command line, the setting loraLens\.inputShapes, or a comment in the class, # lora-lens: input x = 2,3/,
    );
    const [problem] = shapesOf(opened).problems;
    assert.match(problem!.message, /state its inputs in a comment in the class, # lora-lens: input x = 2,3,/);
  });

  it("give a message with shapes that would fit, where the given ones do not", async () => {
    const model = modelNamed(await read(HEAD + cnn(32)), "Net");
    model.useInputs({ inputs: [parseInput("x", "2,3,40,40")], from: "given" });
    assert.throws(
      () => model.trace(),
      /with x float32 \[2, 3, 40, 40\] \(given\): .* It can be traced with x float32 \[2, 3, 32, 32\] \(inferred from conv\)/,
    );
    model.useInputs({ inputs: [parseInput("x", "2,3,40")], from: "given" });
    assert.throws(() => model.trace(), /It can be traced with x float32 \[2, 3, 32, 32\]/);
    for (const [inputs, message] of [
      [[parseInput("y", "2,3")], /Net\.forward has no input "y"; it takes x$/],
      [[], /Net\.forward needs the input "x", which was not given; it takes x$/],
      [[parseInput("x", "2"), parseInput("x", "3")], /the input "x" of Net is given twice/],
    ] as const) {
      model.useInputs({ inputs, from: "given" });
      assert.throws(() => model.trace(), { name: "UserError", message });
    }
  });

  for (const [text, expected] of [
    ["1,3,224,224", { shape: [1, 3, 224, 224], dtype: undefined }],
    [" [2, 16]:int64 ", { shape: [2, 16], dtype: "int64" }],
    ["(2,)", { shape: [2], dtype: undefined }],
    ["2x3x4 : torch.float32", { shape: [2, 3, 4], dtype: "float32" }],
    ["[]", { shape: [], dtype: undefined }],
    ["7", { shape: [7], dtype: undefined }],
    ["none", { none: true }],
  ] as const) {
    it(`are written as ${text}`, () => assert.deepEqual(parseInput("x", text), { name: "x", ...expected }));
  }

  it("are not written otherwise", () => {
    for (const text of ["", "a", "1,,2", "-1,3", "1.5", "1,0,2", "2,3:int65", "99999,99999,99999", ":int64", "1;2"])
      assert.throws(() => parseInput("x", text), { name: "UserError" }, text);
  });
});

describe("inputs that the settings state", () => {
  const entry = join(__dirname, "../../../../../src/worker/server/reading/main.ts");
  const thread = new ReadingThread({
    start: () => new Worker(`require("tsx/cjs"); require(${JSON.stringify(entry)});`, { eval: true }),
    log: () => undefined,
  });
  after(() => thread.dispose());

  it("are used for the editor's shapes; an invalid one is a problem at its model", async () => {
    const text = HEAD + cnn(50);
    const command = { file: "net.py", text, cancel: new SharedArrayBuffer(4) };
    const plain = await thread.run({ type: "shapes", ...command });
    assert.deepEqual(plain.hints, []);
    const inputShapes = { Net: { x: "2,3,50,50" }, Other: { y: "nonsense" } };
    const read = await thread.run({ type: "read", ...command, inputShapes });
    assert.deepEqual(read.summary.problems, []);
    const shown = await thread.run({ type: "shapes", ...command, inputShapes });
    assert.equal(shown.hints.length, 1);
    assert.equal(shown.traces[0]!.inputsFrom, "the setting loraLens.inputShapes");
    const again = await thread.run({ type: "shapes", ...command });
    assert.deepEqual(again.hints, [], "what was set before is forgotten");

    const wrong = await thread.run({ type: "read", ...command, inputShapes: { Net: { x: "nonsense" } } });
    assert.deepEqual(
      wrong.summary.problems.map(({ line, message }) => [line, message.slice(0, 60)]),
      [[5, 'the setting loraLens.inputShapes: "nonsense" is not a shape ']],
    );
    const unknown = await thread.run({ type: "shapes", ...command, inputShapes: { Net: { z: "2,3" } } });
    assert.match(unknown.problems[0]!.message, /has no input "z" \(the setting loraLens\.inputShapes\)/);
  });
});
