import { strict as assert } from "node:assert";
import { readFile, writeFile } from "node:fs/promises";
import type { TrainReport } from "../../../../src/protocol/reports";
import { toFloat32 } from "../../../../src/worker/formats/convert";
import { readTable } from "../../../../src/worker/formats/csv";
import { writeLabels } from "../../../../src/worker/jobs/train/labels";
import { chooseModel, openModelFile } from "../../../../src/worker/readers/open";
import { chooseLoss } from "../../../../src/worker/training/losses/registry";
import { invoke, json } from "../../cli/invoke";
import { temporaryFolder } from "../../formats/temporaryFolder";

const MODEL = (outputs: number) => `from torch import nn


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 8)
        self.head = nn.Linear(8, ${outputs})

    def forward(self, x):
        return self.head(self.fc(x).relu())
`;

describe("labels", () => {
  const at = temporaryFolder();

  /** What the labels are to a model of so many outputs. */
  async function targets(labels: readonly string[], outputs: number) {
    await writeFile(at("model.py"), MODEL(outputs));
    await writeFile(at("data.csv"), `a,b,y\n${labels.map((label, i) => `${i},${i * i},${label}`).join("\n")}\n`);
    const model = chooseModel(await openModelFile(at("model.py")));
    const table = await readTable(at("data.csv"), "y");
    const subject = { model, output: [2, outputs], column: "y" };
    const loss = chooseLoss(undefined, table.labels, subject);
    const found = loss.targets(table.labels, subject);
    const batch = found.batch(Uint32Array.from(labels, (_, i) => i));
    return { loss: loss.id, labels: found.labels, values: [...toFloat32(batch.get("target")!)] };
  }

  const mapping = ({ labels }: Awaited<ReturnType<typeof targets>>) =>
    labels?.classes.map(({ label, index }) => `${label}:${index}`).join(" ");

  for (const [labels, outputs, expected, values] of [
    // Whole numbers of the outputs' own are what they say, whether or not each occurs.
    [["0", "1", "2"], 3, "0:0 1:1 2:2", [0, 1, 2]],
    [["3", "0", "2"], 4, "0:0 2:2 3:3", [3, 0, 2]],
    [["1", "3", "2"], 4, "1:1 2:2 3:3", [1, 3, 2]],
    [["1", "1"], 10, "1:1", [1, 1]],
    [["1.0", "0.0", "0"], 2, "0:0 1:1", [1, 0, 0]],
    // Others get an index, in their order.
    [["1", "3", "2"], 3, "1:0 2:1 3:2", [0, 2, 1]],
    [["-1", "1", "-1"], 2, "-1:0 1:1", [0, 1, 0]],
    [["-1", "1", "0"], 10, "-1:0 0:1 1:2", [0, 2, 1]],
    [["10", "9", "100"], 3, "9:0 10:1 100:2", [1, 0, 2]],
    [["2.0", "1.0"], 2, "1:0 2:1", [1, 0]],
    [["1000000007", "5000000029"], 2, "1000000007:0 5000000029:1", [0, 1]],
    [["dog", "cat", "dog"], 3, "cat:0 dog:1", [1, 0, 1]],
    [["1", "one"], 2, "1:0 one:1", [0, 1]],
  ] as const) {
    it(`${labels.join(", ")} of a model with ${outputs} outputs are ${expected}`, async () => {
      const found = await targets(labels, outputs);
      assert.equal(found.loss, "cross-entropy");
      assert.equal(mapping(found), expected);
      assert.deepEqual(found.values, values);
      assert.equal(
        found.labels!.identity,
        labels.every((label, i) => Number(label) === values[i]),
      );
    });
  }

  it("are numbers for a model with one output, unchanged", async () => {
    for (const labels of [
      ["1", "2"],
      ["-1", "1"],
      ["0.5", "1e3"],
    ]) {
      const found = await targets(labels, 1);
      assert.equal(found.loss, "mean-squared-error");
      assert.equal(found.labels, undefined);
      assert.deepEqual(found.values, labels.map(Number));
    }
  });

  it("that do not fit the outputs are refused, with both listed", async () => {
    await assert.rejects(targets(["1", "2", "3", "4"], 3), /"y" has 4 classes \(1, 2, 3, 4\), but Small tells 3 apart/);
    await assert.rejects(targets(["0", "3", "1", "2"], 3), /"y" has 4 classes \(0, 1, 2, 3\), but Small tells 3 apart/);
    const many = Array.from({ length: 20 }, (_, i) => String(i + 1));
    await assert.rejects(targets(many, 3), /"y" has 20 classes \(1, 2, 3, 4, 5, …, 20\), but/);
    await assert.rejects(targets(["1.5", "2"], 3), /"y" holds numbers to predict, such as 1\.5, but Small returns/);
    await assert.rejects(
      targets(["1", "nan"], 1),
      /"y" holds class names, such as "nan", but Small returns one number/,
    );
  });

  it("are kept as Hugging Face's configurations keep them, whatever they are called", async () => {
    const classes = ["__proto__", '"', "2"].map((label, index) => ({ label, index }));
    await writeLabels(at("labels.json"), { column: "y", identity: false, classes });
    const kept = JSON.parse(await readFile(at("labels.json"), "utf8"));
    assert.equal(kept.column, "y");
    assert.deepEqual(kept.id2label, { 0: "__proto__", 1: '"', 2: "2" });
    assert.deepEqual(Object.entries(kept.label2id), [
      ["2", 2],
      ["__proto__", 0],
      ['"', 1],
    ]);
  });

  it("that are mapped are listed in training's output, its report and a file next to the adapter", async () => {
    await writeFile(at("model.py"), MODEL(3));
    const rows = Array.from({ length: 60 }, (_, i) => `${i % 3},${(i * 7) % 5},${(i % 3) + 1}`);
    await writeFile(at("data.csv"), `a,b,y\n${rows.join("\n")}\n`);
    const args = [
      "train",
      at("model.py"),
      "--data",
      at("data.csv"),
      "--label",
      "y",
      "--target-modules",
      "fc",
      "--rank",
      "2",
    ];
    const more = ["--epochs", "1", "--engine", "onnxruntime-cpu"];
    const { out, code } = await invoke(...args, "--out", at("out"), ...more);
    assert.equal(code, 0);
    assert.match(out, /labels of "y" and the outputs that stand for them: 1 → 0, 2 → 1, 3 → 2/);
    assert.match(out, /wrote .*labels\.json/);
    const report = await json<TrainReport>(...args, "--out", at("out"), ...more);
    assert.equal(report.labels?.identity, false);
    const kept = JSON.parse(await readFile(at("out/labels.json"), "utf8"));
    assert.deepEqual(kept.label2id, { 1: 0, 2: 1, 3: 2 });
    assert.deepEqual(kept.id2label, { 0: "1", 1: "2", 2: "3" });

    await writeFile(at("data.csv"), (await readFile(at("data.csv"), "utf8")).replaceAll(/,3$/gm, ",0"));
    const identity = await invoke(...args, "--out", at("same"), ...more);
    assert.doesNotMatch(identity.out, /labels of/);
    assert.deepEqual(JSON.parse(await readFile(at("same/labels.json"), "utf8")).label2id, { 0: 0, 1: 1, 2: 2 });
  });
});
