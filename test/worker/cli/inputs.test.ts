import { strict as assert } from "node:assert";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { AnalyzeReport, MergeReport, TrainReport, VerifyReport } from "../../../src/protocol/reports";
import { writeNpz } from "../../../src/worker/formats/numpy/npz";
import { float32, int64, type Tensor } from "../../../src/worker/formats/tensor";
import { temporaryFolder } from "../formats/temporaryFolder";
import { invoke, json, ROOT } from "./invoke";

/** For images of 50 × 50, a size that is not tried. */
const CNN = `import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.fc = nn.Linear(2 * 48 * 48, 12)
        self.head = nn.Linear(12, 3)

    def forward(self, x, mask=None):
        y = self.fc(self.conv(x).flatten(1)).relu()
        if mask is not None:
            y = y * mask
        return self.head(y)
`;
/** What comes out does not depend on x unless x is large: random inputs show nothing. */
const THRESHOLD = `from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 12)
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        return self.head(self.fc((x - 100).relu()).relu())
`;
const CPU = ["--engine", "onnxruntime-cpu"];
const TARGET = ["--target-modules", "fc", "--rank", "2"];
const SHAPE = ["--input-shape", "x=2,1,50,50"];

describe("inputs on the command line", () => {
  const at = temporaryFolder();
  const model = async (text: string) => {
    await writeFile(at("model.py"), text);
    return at("model.py");
  };
  const npz = async (name: string, arrays: Readonly<Record<string, Tensor>>) => {
    await writeNpz(at(name), new Map(Object.entries(arrays)));
    return at(name);
  };

  it("shapes work with every command that traces, where the code suggests wrong ones", async () => {
    const file = await model(CNN);
    const rows = Array.from({ length: 12 }, (_, i) => [...Array.from({ length: 2500 }, () => i % 3), i % 3].join(","));
    await writeFile(
      at("data.csv"),
      `${Array.from({ length: 2500 }, (_, i) => `p${i}`).join(",")},y\n${rows.join("\n")}\n`,
    );
    const train = ["train", file, "--data", at("data.csv"), "--label", "y", "--epochs", "1", ...TARGET, ...CPU];

    for (const args of [
      ["graph", file],
      ["verify", file, ...TARGET, ...CPU],
      [...train, "--out", at("none")],
    ]) {
      const { code, error } = await invoke(...args);
      assert.equal(code, 2, args[0]);
      assert.match(error, /cannot be traced.*--input-shape x=/, args[0]);
    }
    const { graph } = await json<{ graph: string }>("graph", file, ...SHAPE);
    assert.match(graph, /x: float32\[2, 1, 50, 50\]/);
    const verified = await json<VerifyReport>("verify", file, ...SHAPE, ...TARGET, ...CPU);
    assert.deepEqual(verified.inputs, [{ name: "x", shape: [2, 1, 50, 50], dtype: "float32" }]);
    assert.equal(verified.inputsFrom, "given");
    const analyzed = await json<AnalyzeReport>("analyze", file, "--input-shape", "x=5,1,50,50", ...TARGET);
    assert.equal(analyzed.memory?.batch, 5);
    const trained = await json<TrainReport>(...train, "--out", at("out"), ...SHAPE);
    assert.equal(trained.losses.length, 1);
    const merged = ["merge", file, "--adapter", at("out"), "--out", at("merged.safetensors")];
    assert.equal((await json<MergeReport>(...merged, ...SHAPE)).merged.length, 1);
    assert.equal((await invoke(...merged, "--input-shape", "z=1")).code, 2);
    // By the values' own shapes, too.
    const values = await npz("x.npz", { x: float32([3, 1, 50, 50], new Float32Array(7500).fill(0.5)) });
    for (const args of [
      ["graph", file],
      ["analyze", file, ...TARGET],
      ["verify", file, ...TARGET, ...CPU],
      [...train, "--out", at("out")],
      merged,
    ])
      assert.equal((await invoke(...args, "--inputs", values)).code, 0, args[0]);
  });

  it("verify computes with the values that it is given, and with random ones for the rest", async () => {
    const file = await model(THRESHOLD);
    const verify = ["verify", file, ...TARGET, ...CPU] as const;
    const passed = ({ checks }: VerifyReport) =>
      new Map(checks.map(({ id, passed: yes, measured }) => [id, { yes, measured }]));
    const random = await invoke(...verify, "--json");
    assert.equal(random.code, 1, "an adapter behind what is 0 does nothing");
    const large = await npz("x.npz", {
      x: float32(
        [3, 4],
        Float32Array.from({ length: 12 }, (_, i) => 101 + i),
      ),
    });
    const report = await json<VerifyReport>(...verify, "--inputs", large);
    assert.ok(report.passed);
    assert.deepEqual(report.inputs, [{ name: "x", shape: [3, 4], dtype: "float32" }]);
    assert.equal(report.inputsFrom, "from x.npz");
    const other = await npz("y.npz", {
      x: float32(
        [3, 4],
        Float32Array.from({ length: 12 }, (_, i) => 140 - i),
      ),
    });
    const second = passed(await json<VerifyReport>(...verify, "--inputs", other));
    assert.notEqual(second.get("perturbed-differs")!.measured, passed(report).get("perturbed-differs")!.measured);
  });

  it("doubles are cast to the model's precision, and integers stay unchanged", async () => {
    const file = await model(`import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(9, 4)
        self.fc = nn.Linear(4, 12)

    def forward(self, ids, scale):
        return self.fc(self.table(ids) * scale)
`);
    const ids = int64([2, 3], [0, 1, 2, 8, 7, 6]);
    const scale: Tensor = { dtype: "float64", shape: [1], data: Float64Array.of(2) };
    const report = await json<VerifyReport>(
      "verify",
      file,
      ...TARGET,
      ...CPU,
      "--inputs",
      await npz("a.npz", { ids, scale }),
    );
    assert.deepEqual(
      report.inputs.map(({ name, dtype }) => `${name} ${dtype}`),
      ["ids int64", "scale float32"],
    );
    // Values of one input and the shape of the other.
    const mixed = await json<VerifyReport>(
      ...["verify", file, ...TARGET, ...CPU, "--inputs", await npz("b.npz", { ids }), "--input-shape", "scale=1"],
    );
    assert.ok(mixed.passed);
    const outside = await npz("c.npz", { ids: int64([2, 3], [0, 1, 2, 9, 7, 6]), scale });
    const { code, error } = await invoke("verify", file, ...TARGET, ...CPU, "--inputs", outside);
    assert.equal(code, 2);
    assert.match(error, /ids holds 9, but the table that it indexes has the rows 0 to 8/);
  });

  it("an input with a wrong name, missing, given twice or not fitting is refused with a list of forward's inputs", async () => {
    const file = await model(CNN);
    const twice = await npz("x.npz", { x: float32([1, 1, 50, 50], new Float32Array(2500)) });
    for (const [args, message] of [
      [["--input-shape", "y=1,1,50,50"], /Net\.forward has no input "y"; it takes x, mask \(may be left out\)/],
      [["--input-shape", "mask=12"], /Net\.forward needs the input "x", which was not given; it takes x, mask/],
      [["--inputs", twice, ...SHAPE], /the input "x" of Net is given twice/],
      [[...SHAPE, ...SHAPE], /the shape of input x is given twice/],
      [["--input-shape", "2,3"], /it must name an input: x=1,3,224,224/],
      [["--input-shape", "x=2,a"], /"2,a" is not a shape for input x: write a shape as 1,3,224,224/],
      [["--input-shape", "x=2,50,50,1"], /cannot be traced with x float32 \[2, 50, 50, 1\] \(given\): line \d+: /],
      [["--input-shape", "x=50"], /cannot be traced with x float32 \[50\] \(given\): line \d+: /],
      [["--inputs", at("none.npz")], /none\.npz does not exist/],
    ] as const) {
      for (const command of [
        ["graph", file],
        ["analyze", file, ...TARGET],
        ["verify", file, ...TARGET, ...CPU],
      ]) {
        const { code, error } = await invoke(...command, ...args);
        assert.equal(code, 2, `${command[0]} ${args.join(" ")}: ${error}`);
        assert.match(error, message);
      }
    }
  });

  it("work with Keras models, whose inputs have their own names and sizes", async () => {
    const file = join(ROOT, "test/fixtures/keras/recurrent.keras");
    const { graph } = await json<{ graph: string }>("graph", file, "--input-shape", "x=7,5,3");
    assert.match(graph, /\(x: float32\[7, 5, 3\]\)/);
    for (const [given, message] of [
      ["x=3", /is given the input "x" as \[3\]; it takes x \[batch, 5, 3\]/],
      ["x=2,5,4", /is given the input "x" as \[2, 5, 4\]; it takes x \[batch, 5, 3\]/],
      ["other=3", /has no input "other"; it takes x \[batch/],
    ] as const) {
      const { code, error } = await invoke("graph", file, "--input-shape", given);
      assert.equal(code, 2);
      assert.match(error, message);
    }
  });
});
