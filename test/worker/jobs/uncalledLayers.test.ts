import { strict as assert } from "node:assert";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { VerifyReport } from "../../../src/protocol/reports";
import { float32 } from "../../../src/worker/formats/tensor";
import { merge } from "../../../src/worker/jobs/export/merge";
import { verify } from "../../../src/worker/jobs/verify/verify";
import { saveAdapter } from "../../../src/worker/lora/adapter/adapterFiles";
import { loraConfig } from "../../../src/worker/lora/config/config";
import { temporaryFolder } from "../formats/temporaryFolder";

const FILE = join(__dirname, "../../fixtures/targets/models.py");
const never = new AbortController().signal;
const context = { onProgress: () => {}, signal: never, stop: never };

describe("layers whose adapter has no effect", () => {
  const check = (name: string, targetModules?: string | readonly string[]): Promise<VerifyReport> =>
    verify(
      {
        kind: "verify",
        model: { file: FILE, class: name },
        adapter: { r: 2, ...(targetModules !== undefined && { target_modules: targetModules }) },
        engine: "onnxruntime-cpu",
      },
      context,
    );
  const failed = ({ checks }: VerifyReport) => checks.filter(({ passed }) => !passed).map(({ id }) => id);

  it("are not default targets, and are reported as left out", async () => {
    const { passed, injection } = await check("ReadRaw");
    assert.equal(passed, true);
    assert.deepEqual(
      injection.targets.map(({ path }) => path),
      ["inner"],
    );
    assert.deepEqual(injection.leftOut, [{ path: "outer", why: "it is never called; only its weight is read" }]);
    assert.equal(injection.warnings, undefined);
  });

  it("fail verify, because they are never trained and merging changes the model, and are named in a warning", async () => {
    const report = await check("ReadRaw", "all-linear");
    assert.deepEqual(failed(report), ["merged-equals-unmerged", "only-adapters-have-gradients"]);
    assert.match(report.injection.warnings!.join(), /^outer \(line \d+\): the layer is never called; only its weight/);
  });

  it("are reported, not an error, where no other is targeted", async () => {
    assert.deepEqual(failed(await check("Pool", ["q_proj"])), [
      "merged-equals-unmerged",
      "only-adapters-have-gradients",
      "base-unchanged",
      "perturbed-differs",
    ]);
    await assert.rejects(
      check("Pool"),
      /no linear layer of Pool is adapted by default; name the layers.*q_proj, k_proj, v_proj/,
    );
  });

  it("fail verify by the merge where a layer has another name, another layer its weight, or a forward of its own", async () => {
    for (const [name, warning] of [
      ["TwoNames", /^first \(line \d+\): the weight is also used elsewhere/],
      ["SharedParameter", /^first \(line \d+\), second \(line \d+\): the weights are also used elsewhere/],
      ["OwnForward", /^scaled \(line \d+\), normalized \(line \d+\): the layers' classes have a forward of their own/],
    ] as const) {
      const report = await check(name, "all-linear");
      assert.deepEqual(failed(report), ["merged-equals-unmerged"], name);
      assert.match(report.injection.warnings![0]!, warning);
    }
  });

  it("are verified as training computes where PyTorch's evaluation goes past them, with a warning", async () => {
    const report = await check("Encoder", ["linear1", "linear2"]);
    assert.deepEqual(failed(report), []);
    assert.match(
      report.injection.warnings!.join(),
      /^encoder\.layers\.0\.linear1 .*in model\.eval\(\) PyTorch computes the layers from the weights in one kernel.*set_fastpath_enabled\(False\)/,
    );
    assert.equal((await check("EncoderSequenceFirst", ["linear1", "linear2"])).injection.warnings, undefined);
  });

  const inFolder = temporaryFolder();

  it("are merged under two names if forward calls only the adapted one, and refused if it calls both", async () => {
    const source = (forward: string) =>
      `from torch import nn\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.a = nn.Linear(2, 2)\n        self.b = self.a\n    def forward(self, x):\n        return ${forward}\n`;
    const config = loraConfig({ r: 1, lora_alpha: 1, target_modules: ["a"] });
    const tensors = new Map([
      ["a.lora_A.weight", float32([1, 2], [1, 2])],
      ["a.lora_B.weight", float32([2, 1], [1, 1])],
    ]);
    await saveAdapter(inFolder("adapter"), config, tensors);
    const merged = async (forward: string) => {
      await writeFile(inFolder("net.py"), source(forward));
      const request = {
        kind: "merge",
        model: { file: inFolder("net.py") },
        adapterFolder: inFolder("adapter"),
      } as const;
      return (await merge({ ...request, output: inFolder("out.safetensors") }, context)).merged.length;
    };
    assert.equal(await merged("self.a(x)"), 1);
    await assert.rejects(merged("self.b(self.a(x))"), /share one tensor/);
  });
});
