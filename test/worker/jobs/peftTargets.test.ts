import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { onnxruntimeEngine } from "../../../src/worker/engines/onnxruntime/engine";
import { toFloat32 } from "../../../src/worker/formats/convert";
import { readHeader, readTensors } from "../../../src/worker/formats/safetensors";
import type { Tensor } from "../../../src/worker/formats/tensor";
import type { Graph } from "../../../src/worker/graph/graph";
import { openAdapter } from "../../../src/worker/jobs/adapter";
import { runOnce, valuesFor } from "../../../src/worker/jobs/opened";
import { saveAdapter } from "../../../src/worker/lora/adapter/adapterFiles";
import { injectionOf } from "../../../src/worker/lora/adapter/injection";
import { loraConfig } from "../../../src/worker/lora/config/config";
import { layerUses } from "../../../src/worker/lora/targets/uses";
import { removeDropout } from "../../../src/worker/passes/dropout";
import { injectLora } from "../../../src/worker/passes/lora";
import { mergeLora } from "../../../src/worker/passes/merge";
import { simplify } from "../../../src/worker/passes/simplify";
import type { InputSpec } from "../../../src/worker/readers/inputSpec";
import { openModelFile } from "../../../src/worker/readers/open";
import { temporaryFolder } from "../formats/temporaryFolder";
import { modelNamed } from "../readers/python/reading";

/** PEFT's answers: test/fixtures/targets/make_targets.py. */
const FIXTURES = join(__dirname, "../../fixtures/targets");
const TOLERANCE = 1e-5;

interface Case {
  readonly model: string;
  readonly targets: string | readonly string[];
  /** Layers that PEFT put an adapter on. */
  readonly layers: readonly string[];
  /** Adapter tensors that get none in `model.eval()`, but for PyTorch's own kernels. */
  readonly withoutGradient: readonly string[];
}

describe("an adapter computes what PEFT's does", () => {
  const inFolder = temporaryFolder();
  const text = readFileSync(join(FIXTURES, "models.py"), "utf8");
  let tensors: ReadonlyMap<string, Tensor>;
  before(async () => {
    tensors = await readTensors((await readHeader(join(FIXTURES, "targets.safetensors"))).tensors);
  });

  const cases: readonly Case[] = JSON.parse(readFileSync(join(FIXTURES, "cases.json"), "utf8"));
  cases.forEach(({ model: name, targets: wanted, layers, withoutGradient }, number) => {
    it(`on ${name} with ${wanted}`, async () => {
      const part = (prefix: string) =>
        new Map(
          [...tensors].flatMap(([key, tensor]) =>
            key.startsWith(`${number}.${prefix}.`) ? [[key.slice(`${number}.${prefix}.`.length), tensor]] : [],
          ),
        );
      const values = part("base");
      const model = modelNamed(await openModelFile(join(FIXTURES, "models.py"), text), name);
      const config = loraConfig({ r: 2, lora_alpha: 6, target_modules: wanted });
      await saveAdapter(inFolder("adapter"), config, part("adapter"));
      const { layers: adapted, tensors: adapter } = await openAdapter({ model, values }, inFolder("adapter"));
      const uses = layerUses(model);
      const chosen = injectionOf(model, config, uses);
      const opened = adapted.map(({ layer }) => layer);
      for (const found of [opened, chosen.targets, injectionOf(model, chosen.config, uses).targets]) {
        assert.deepEqual(found.map(({ path }) => path).sort(), [...layers].sort());
      }

      const input = tensors.get(`${number}.input`)!;
      const [{ name: x }] = model.trace().inputs as [InputSpec];
      const { graph } = model.trace({ inputs: [{ name: x, shape: input.shape, dtype: input.dtype }] });
      const output = async (made: Graph) => {
        const simple = simplify(removeDropout(made));
        const feeds = new Map([[x, input]]);
        const outputs = await runOnce(onnxruntimeEngine("cpu"), simple, valuesFor(simple, values, adapter), feeds);
        return toFloat32([...outputs.values()][0]!);
      };
      const trained = injectLora(graph, adapted);
      for (const [what, made] of [
        ["output", injectLora(graph, adapted, { skipFused: true })],
        ["train", trained],
        ["merged", mergeLora(graph, adapted)],
      ] as const) {
        const [ours, theirs] = [await output(made), toFloat32(tensors.get(`${number}.${what}`)!)];
        assert.equal(ours.length, theirs.length);
        const largest = theirs.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
        const worst = theirs.reduce((most, value, i) => Math.max(most, Math.abs(value - ours[i]!)), 0);
        assert.ok(worst <= TOLERANCE * largest, `${what} differs by ${worst}`);
      }
      const used = new Set(trained.parameters.map(({ attrs }) => attrs.path));
      const still = [...adapter.keys()].filter((path) => !used.has(path));
      assert.deepEqual(still.sort(), [...withoutGradient].sort());
    });
  });
});
