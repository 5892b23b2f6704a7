import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { train } from "../../../../src/worker/jobs/train/train";
import { loadAdapter } from "../../../../src/worker/lora/adapter/adapterFiles";
import { Random } from "../../../../src/worker/numbers/random";
import { inject } from "../../../../src/worker/server/inject";
import { adapterIn } from "../../../../src/worker/server/savedAdapter";
import { temporaryFolder } from "../../formats/temporaryFolder";

const SOURCE = `import torch
from torch import nn


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 64)
        self.fc2 = nn.Linear(64, 2)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))
`;

/** What the editor does: Inject keeps a configuration, somebody edits the file, Train begins from it. */
describe("the configuration that is kept for a model", () => {
  const at = temporaryFolder();
  const never = new AbortController().signal;
  const context = { onProgress: () => {}, signal: never, stop: never };
  const configFile = () => join(at("kept"), "adapter_config.json");
  const fieldsOf = async (file: string): Promise<Record<string, unknown>> => JSON.parse(await readFile(file, "utf8"));

  async function injectAndEdit(edit: object): Promise<void> {
    const random = new Random(1);
    const rows = Array.from({ length: 40 }, (_, i) => [...Array.from({ length: 4 }, () => random.normal()), i % 2]);
    await writeFile(at("data.csv"), `a,b,c,d,y\n${rows.map((row) => row.join(",")).join("\n")}\n`);
    await writeFile(at("model.py"), SOURCE);
    await inject({ model: { file: at("model.py") }, adapter: {}, layers: ["fc1"], saveTo: configFile() });
    await writeFile(configFile(), JSON.stringify({ ...(await fieldsOf(configFile())), ...edit }));
  }

  async function trainFromKept() {
    const { adapter } = (await adapterIn(at("kept")))!;
    return train(
      {
        kind: "train",
        model: { file: at("model.py"), seed: 0 },
        adapter,
        method: "lora",
        data: at("data.csv"),
        label: "y",
        output: at("out"),
        epochs: 1,
        batchSize: 40,
        learningRate: 1e-9,
        validation: 0,
        engine: "onnxruntime-cpu",
      },
      context,
    );
  }

  it("trains with the init_lora_weights in the file, and saves it", async () => {
    await injectAndEdit({ init_lora_weights: "gaussian", r: 16, lora_alpha: 32 });
    await trainFromKept();
    const { config, tensors } = await loadAdapter(at("out"));
    assert.equal(config.init_lora_weights, "gaussian");
    // The learning rate leaves A as it began: normal with deviation 1/16, and not uniform within ±1/2.
    const a = tensors.get("fc1.lora_A.weight")!.data as Float32Array;
    const deviation = Math.sqrt(a.reduce((sum, x) => sum + x * x, 0) / a.length);
    assert.ok(Math.abs(deviation - 1 / 16) < 0.02, `deviation ${deviation}`);
  });

  it("keeps the auto_mapping that Inject wrote, and unknown fields", async () => {
    await injectAndEdit({ revision: "abc", zz_future: { b: 1 } });
    await trainFromKept();
    const [kept, saved] = [await fieldsOf(configFile()), await fieldsOf(join(at("out"), "adapter_config.json"))];
    assert.deepEqual(saved.auto_mapping, { base_model_class: "Small", parent_library: "model" });
    assert.deepEqual(saved, { ...kept, inference_mode: true });
  });

  it("keeps its other fields where Inject changes the layers and the rank", async () => {
    await injectAndEdit({ init_lora_weights: "orthogonal", use_rslora: true, lora_dropout: 0.1, revision: "abc" });
    const before = await fieldsOf(configFile());
    const { adapter } = (await adapterIn(at("kept")))!;
    await inject({
      model: { file: at("model.py") },
      adapter: { ...adapter, r: 4 },
      layers: ["fc1", "fc2"],
      saveTo: configFile(),
    });
    assert.deepEqual(await fieldsOf(configFile()), { ...before, r: 4, target_modules: ["fc1", "fc2"] });
  });

  it("is refused for training with an init_lora_weights that no fresh adapter can start from", async () => {
    await injectAndEdit({ init_lora_weights: "pissa" });
    await assert.rejects(trainFromKept(), {
      name: "UserError",
      message: /^a fresh adapter with init_lora_weights "pissa" is not supported/,
    });
  });
});
