import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chooseEngine } from "../../../../src/worker/engines/choose";
import { toFloat32 } from "../../../../src/worker/formats/convert";
import { float32, int64, type Tensor } from "../../../../src/worker/formats/tensor";
import { openModel, runOnce, valuesFor } from "../../../../src/worker/jobs/opened";
import type { InputSpec } from "../../../../src/worker/readers/inputSpec";

const FIXTURES = join(__dirname, "../../../fixtures/keras");

interface Expected {
  readonly parameters: number;
  readonly inputs: Readonly<Record<string, { readonly shape: number[]; readonly values: number[] }>>;
  readonly outputs: readonly { readonly shape: number[]; readonly values: number[] }[];
}

function expected(name: string): Expected {
  return JSON.parse(readFileSync(join(FIXTURES, `${name}.expected.json`), "utf8")) as Expected;
}

/** Largest absolute difference between our outputs and Keras's. */
async function difference(name: string, file: string, weights?: string): Promise<number> {
  const { inputs, outputs, parameters } = expected(name);
  const opened = await openModel({
    file: join(FIXTURES, file),
    ...(weights !== undefined && { weights: join(FIXTURES, weights) }),
  });
  assert.equal(opened.model.root.parameters, parameters);
  assert.deepEqual(opened.model.problems, []);
  const example = opened.model.trace();
  const names = Object.keys(inputs);
  const specs = example.inputs.map((spec, i): InputSpec => ({ ...spec, shape: inputs[names[i]!]!.shape }));
  const feeds = new Map<string, Tensor>(
    specs.map(({ name: input, dtype, shape }, i) => {
      const { values } = inputs[names[i]!]!;
      if (dtype === "int32") return [input, { dtype, shape, data: Int32Array.from(values) }];
      return [input, dtype === "int64" ? int64(shape, values) : float32(shape, values)];
    }),
  );
  const { graph } = opened.model.trace({ inputs: specs });
  const { engine } = await chooseEngine("onnxruntime-cpu");
  const results = [...(await runOnce(engine, graph, valuesFor(graph, opened.values), feeds)).values()];
  assert.deepEqual(
    results.map(({ shape }) => shape),
    outputs.map(({ shape }) => shape),
  );
  return Math.max(
    ...results.flatMap((result, i) => [...toFloat32(result)].map((v, j) => Math.abs(v - outputs[i]!.values[j]!))),
  );
}

describe("Keras models compute what Keras computes", () => {
  // Their outputs are of size 3 and less, float32 sums of some hundred terms: Keras adds these up in another order.
  const ROOM = 1e-5;
  const cases: readonly (readonly [string, string, string?])[] = [
    ["cnn", "cnn.h5"],
    ["transformer", "transformer.keras"],
    ["transformer", "transformer.json", "transformer.weights.h5"],
    ["shared", "shared.keras"],
    ["branches", "branches.keras"],
    ["recurrent", "recurrent.keras"],
    ["recurrent", "recurrent.h5"],
    ["masked", "masked.keras"],
  ];
  for (const [name, file, weights] of cases) {
    it(`${file}${weights ? ` with ${weights}` : ""}`, async () => {
      const largest = await difference(name, file, weights);
      assert.ok(largest < ROOM, `differs by ${largest}`);
    });
  }

  it("tfjs/model.json, with shards that split a tensor, and quantized weights", async () => {
    // 16 bits for weights between -1 and 1: 1.5e-5 each, and a float16 bias.
    const largest = await difference("mlp", "tfjs/model.json");
    assert.ok(largest < 1e-3, `differs by ${largest}`);
  });
});
