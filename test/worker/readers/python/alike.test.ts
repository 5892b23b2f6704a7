import assert from "node:assert/strict";
import { onnxruntimeEngine } from "../../../../src/worker/engines/onnxruntime/engine";
import { toFloat32 } from "../../../../src/worker/formats/convert";
import type { Tensor } from "../../../../src/worker/formats/tensor";
import { openModel, runOnce, valuesFor } from "../../../../src/worker/jobs/opened";
import { walkModules } from "../../../../src/worker/readers/model";
import { fixture, messages, modelNamed, readTorch } from "./reading";

interface Reference {
  readonly modules: readonly (readonly [path: string, kind: string])[];
  readonly parameters: number;
  readonly state: readonly (readonly [path: string, shape: readonly number[], sum: number])[];
  readonly frozen: readonly string[];
  readonly output?: number;
}

const HEADER = "import torch\nimport torch.nn as nn\n";
const programs = fixture("alike.txt").split("---\n");
const references: Readonly<Record<string, Reference>> = JSON.parse(fixture("alike.json"));

describe("modules that one call makes again and again", function () {
  this.timeout(30_000);

  for (const program of programs) {
    const title = program.slice(2, program.indexOf("\n"));
    it(`${title}: modules, weights and output are PyTorch's`, async () => {
      const opened = await readTorch(program);
      const reference = references[title]!;
      assert.deepEqual(
        messages(opened).filter((text) => /error|unknown|not evaluated/.test(text)),
        [],
      );
      const model = modelNamed(opened, "Net");
      assert.deepEqual(
        [...walkModules(model.root)].map(({ path, kind }) => [path, kind]),
        reference.modules,
      );
      assert.equal(model.root.parameters, reference.parameters);
      assert.deepEqual(
        model.stateDict.map(({ path, shape }) => [path, shape]),
        reference.state.map(([path, shape]) => [path, shape]),
      );
      assert.deepEqual(
        model.stateDict.filter(({ frozen }) => frozen).map(({ path }) => path),
        reference.frozen,
      );
      const { values } = await openModel({ file: "model.py", text: HEADER + program, class: "Net", seed: 3 });
      for (const [path, , sum] of reference.state) close(total(values.get(path) as Tensor), sum, path);
      if (reference.output === undefined) return;
      const x = Float32Array.from({ length: 8 }, (_, i) => -1 + (2 * i) / 7);
      const { graph } = model.trace({ inputs: [{ name: "x", shape: [2, 4], dtype: "float32" }] });
      const feeds = new Map<string, Tensor>([["x", { dtype: "float32", shape: [2, 4], data: x }]]);
      const outputs = await runOnce(onnxruntimeEngine("cpu"), graph, valuesFor(graph, values), feeds);
      close(total([...outputs.values()][0]!), reference.output, "the output");
    });
  }
});

const total = (tensor: Tensor): number => toFloat32(tensor).reduce((a, b) => a + b, 0);

function close(actual: number, expected: number, what: string): void {
  assert.ok(
    Math.abs(actual - expected) <= 1e-5 * Math.max(1, Math.abs(expected)),
    `${what}: ${actual}, not ${expected}`,
  );
}
