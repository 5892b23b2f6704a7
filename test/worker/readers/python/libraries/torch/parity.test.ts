import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { onnxruntimeEngine } from "../../../../../../src/worker/engines/onnxruntime/engine";
import { toFloat32 } from "../../../../../../src/worker/formats/convert";
import { readHeader, readTensors } from "../../../../../../src/worker/formats/safetensors";
import { sizeOf, type Tensor } from "../../../../../../src/worker/formats/tensor";
import * as build from "../../../../../../src/worker/graph/build";
import { Graph } from "../../../../../../src/worker/graph/graph";
import { openAdapter } from "../../../../../../src/worker/jobs/adapter";
import { openModel, runOnce, valuesFor } from "../../../../../../src/worker/jobs/opened";
import { differentiate } from "../../../../../../src/worker/passes/autodiff";
import { removeDropout } from "../../../../../../src/worker/passes/dropout";
import { injectLora } from "../../../../../../src/worker/passes/lora";
import { simplify } from "../../../../../../src/worker/passes/simplify";

/** The references of PyTorch with PEFT: test/fixtures/parity/make_parity.py. */
const FIXTURES = join(__dirname, "../../../../../fixtures/parity");
const CASES = [
  "gpt",
  "llama",
  "bert",
  "vit",
  "resnet",
  "mixer",
  "lstm",
  "vae",
  "moe",
  "moe_onehot",
  "encoder_decoder",
] as const;
const TOLERANCE = 1e-4;

interface Case {
  readonly className: string;
  readonly outputs: readonly string[];
  readonly adapters: number;
}

const tensorsOf = async (file: string): Promise<Map<string, Tensor>> => readTensors((await readHeader(file)).tensors);

function strip(tensors: ReadonlyMap<string, Tensor>, prefix: string): Map<string, Tensor> {
  return new Map(
    [...tensors].flatMap(([key, t]) => (key.startsWith(`${prefix}.`) ? [[key.slice(prefix.length + 1), t]] : [])),
  );
}

/** The reference's outputs, with and without the adapter, and the gradients by each of the adapter's tensors. */
async function check(name: string): Promise<void> {
  const folder = join(FIXTURES, name);
  const described: Case = JSON.parse(await readFile(join(folder, "case.json"), "utf8"));
  const expected = await tensorsOf(join(folder, "tensors.safetensors"));
  const gradients = await tensorsOf(join(folder, "gradients.safetensors"));
  const { model, values } = await openModel({
    file: join(folder, "model.py"),
    class: described.className,
    weights: join(folder, "weights.safetensors"),
  });
  const feeds = strip(expected, "input");
  const inputs = [...feeds].map(([input, { shape, dtype }]) => ({ name: input, shape, dtype }));
  const { graph } = model.trace({ inputs });
  const engine = onnxruntimeEngine("cpu");
  const base = await runOnce(engine, simplify(removeDropout(graph)), valuesFor(graph, values), feeds);
  same(base, strip(expected, "output"), "output");

  const adapter = await openAdapter({ model, values }, join(folder, "adapter"));
  assert.equal(adapter.layers.length, described.adapters, adapter.layers.map(({ layer }) => layer.path).join());
  const adapted = removeDropout(injectLora(graph, adapter.layers));
  const first = adapted.output(described.outputs[0]!);
  const weights = build.constant(
    Float32Array.from({ length: sizeOf(first.shape) }, (_, i) => Math.sin(i)),
    first.shape,
    "float32",
  );
  const loss = build.reduceAll("mean", build.mul(first, weights));
  const trained = adapted.parameters.filter((p) => adapter.tensors.has(p.attrs.path));
  const found = differentiate(adapted.withOutputs([...adapted.outputs, ["loss", loss]]), loss, trained);
  const results = new Map(adapted.outputs);
  for (const [parameter, gradient] of found) results.set(`gradient ${parameter.attrs.path}`, gradient);
  const training = simplify(new Graph(name, adapted.inputs, results));
  const actual = await runOnce(engine, training, valuesFor(training, values, adapter.tensors), feeds);
  same(actual, strip(expected, "adapted"), "adapted output");
  for (const [path, reference] of gradients) {
    const ours = actual.get(`gradient ${path}`);
    // Where the loss does not depend on an adapter, PyTorch's gradient is zero and the graph has none.
    if (ours) close(ours, reference, `gradient of ${path}`);
    else
      assert.ok(
        toFloat32(reference).every((v) => v === 0),
        `no gradient of ${path}`,
      );
  }
}

function same(actual: ReadonlyMap<string, Tensor>, expected: ReadonlyMap<string, Tensor>, what: string): void {
  for (const [name, reference] of expected) close(actual.get(name)!, reference, `${what} ${name}`);
}

/** Within the tolerance, relative to the reference's largest element where that is above 1. */
function close(actual: Tensor, expected: Tensor, what: string): void {
  assert.deepEqual(actual.shape, expected.shape, what);
  const [ours, theirs] = [toFloat32(actual), toFloat32(expected)];
  const largest = theirs.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  const worst = theirs.reduce((m, v, i) => Math.max(m, Math.abs(v - ours[i]!)), 0);
  assert.ok(
    worst <= TOLERANCE * Math.max(1, largest),
    `${what}: differs by ${worst}; its largest element is ${largest}`,
  );
}

describe("models run as in PyTorch, with a LoRA adapter too, and have the same adapter gradients", () => {
  for (const name of CASES) it(name, () => check(name)).timeout(60_000);
});
