import { strict as assert } from "node:assert";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { GivenConfig } from "../../../../src/protocol/lora";
import type { SummarizeReport } from "../../../../src/protocol/reports/summary";
import type { JobContext } from "../../../../src/worker/jobs/context";
import { patternOf } from "../../../../src/worker/jobs/summarize/groups";
import { summarize } from "../../../../src/worker/jobs/summarize/summarize";
import { temporaryFolder } from "../../formats/temporaryFolder";
import { GPT2, LLAMA7B } from "./models";

const DIGITS = join(__dirname, "../../../../examples/digits/model.py");
const signal = new AbortController().signal;
const context: JobContext = { onProgress: () => {}, signal, stop: signal };

const english = (n: number) => n.toLocaleString("en-US");

/** A sentence for each of the texts, which have it word for word. */
function says({ insights }: SummarizeReport, ...texts: string[]): void {
  const said = insights.map(({ text }) => text).join("\n");
  for (const text of texts) assert.ok(said.includes(text), `"${text}" is not in\n${said}`);
}

describe("summarize", function () {
  this.timeout(60_000);
  const at = temporaryFolder();

  const digits = (adapter: GivenConfig = {}) =>
    summarize({ kind: "summarize", model: { file: DIGITS }, adapter }, context);
  async function of(source: string, name: string, adapter: GivenConfig): Promise<SummarizeReport> {
    await writeFile(at("model.py"), source);
    return summarize({ kind: "summarize", model: { file: at("model.py"), class: name }, adapter }, context);
  }

  it("counts the digits model as by hand", async () => {
    // fc1 64 → 128 and fc2 128 → 128, with biases, in a model of 26,122 parameters.
    const report = await digits();
    assert.deepEqual(
      report.groups.map(({ pattern, weight, full, a, b, lora }) => ({ pattern, weight, full, a, b, lora })),
      [
        { pattern: "fc1", weight: 8192, full: 8320, a: 512, b: 1024, lora: 1536 },
        { pattern: "fc2", weight: 16_384, full: 16_512, a: 1024, b: 1024, lora: 2048 },
      ],
    );
    assert.deepEqual(
      report.kinds.map(({ layerKind, layers, parameters, lora }) => [layerKind, layers, parameters, lora]),
      [
        ["feed-forward", 2, 24_832, 3584],
        // 8 · (128 + 10)
        ["head", 1, 1290, 1104],
      ],
    );
    assert.deepEqual(report.begins, { name: "true", a: "Kaiming uniform", b: "zeros" });
    assert.deepEqual([report.sweep, report.sweepProblems], [null, []]);
    says(
      report,
      "The feed-forward layers hold most of the model: 24,832 of 26,122 parameters, 95.1 %, in 2 layers.",
      "fc2 (128 → 128) is the largest adapted layer, with 16,512 parameters.",
      // 24,832 / 3,584, and 3,584 / 29,706
      "Rank 8 trains 3,584 parameters instead of the 24,832 of the 2 adapted layers: 6.9× fewer. They are 12.1 % of",
      "Training the output head itself, without adapters, trains 1,290 parameters, 4.94 % of the model.",
      // 8,320 / (64 + 128) = 43.3
      "Break-even comes first at fc1: from rank 44 on, its adapter has at least the 8,320 parameters of the layer. Rank 8 has 1,536.",
      "The effective scale is 2: alpha 16 / rank 8.",
      // Adapters in float32: 4 bytes of gradient and 8 of moments for each of 3,584; in full for each of 26,122.
      "LoRA saves gradients and Adam's moments: 42.0 KiB instead of 306.1 KiB.",
      "LoRA does not save the weights, 102.0 KiB either way.",
    );
    const first = report.insights.find(({ text }) => text.startsWith("Break-even"));
    assert.deepEqual(first?.layer, { path: "fc1", line: 15 });
  });

  it("says that a rank is past break-even where it is, and names rsLoRA's scale", async () => {
    const report = await digits({ r: 64, lora_alpha: 16, use_rslora: true });
    // 64 · 192 scalars
    says(
      report,
      "The adapter of fc1 has 12,288 parameters and the layer 8,320: rank 64 is past its break-even rank of 43.3.",
    );
    says(report, "The effective scale is 2: alpha 16 / √64 (rsLoRA).");
  });

  it("says how A and B begin with another init_lora_weights", async () => {
    const { begins } = await digits({ init_lora_weights: "pissa" });
    assert.deepEqual(begins.b, "largest singular vectors of W₀");
  });

  it("counts a GPT-2, its tied head at the embedding", async () => {
    const [d, v, n, positions, r] = [768, 50_257, 12, 1024, 8];
    const attention = n * (3 * d * d + 3 * d + d * d + d);
    const feedForward = n * (4 * d * d + 4 * d + 4 * d * d + d);
    const embedding = (v + positions) * d;
    const norms = (2 * n + 1) * 2 * d;
    const base = attention + feedForward + embedding + norms;
    assert.equal(base, 124_439_808);
    const loraAttention = n * r * (d + 3 * d + d + d);
    const loraFeedForward = n * r * 2 * (d + 4 * d);

    const report = await of(GPT2, "GPT2", { r });
    assert.equal(report.injection.baseParameters, base);
    assert.deepEqual(
      report.kinds.map(({ layerKind, layers, parameters, lora }) => [layerKind, layers, parameters, lora]),
      [
        ["feed-forward", 2 * n, feedForward, loraFeedForward],
        ["embedding", 2, embedding, 0],
        ["attention", 2 * n, attention, loraAttention],
        ["other", 2 * n + 1, norms, 0],
        ["head", 1, 0, r * (d + v)],
      ],
    );
    assert.deepEqual(
      report.groups.map(({ pattern, layers }) => `${pattern} ${layers.length}`),
      ["h.*.attn.c_attn 12", "h.*.attn.c_proj 12", "h.*.mlp.c_fc 12", "h.*.mlp.c_proj 12"],
    );
    says(
      report,
      `LoRA on attention only trains ${english(loraAttention)} parameters at rank 8, ${((100 * loraAttention) / (base + loraAttention)).toFixed(2)} %, in 24 layers.`,
      `LoRA on all linear layers but the head trains ${english(loraAttention + loraFeedForward)} parameters at rank 8`,
      `Training the output head itself, without adapters, trains ${english(v * d)} parameters, ${((100 * v * d) / base).toFixed(1)} % of the model.`,
      // (768 · 768 + 768) / 1536 = 384.5
      "Break-even comes first at h.0.attn.c_proj: from rank 385 on",
    );
  });

  it("counts a Llama of 7 billion parameters", async () => {
    const [d, inner, v, n, r] = [4096, 11_008, 32_000, 32, 16];
    const attention = n * 4 * d * d;
    const feedForward = n * 3 * d * inner;
    const base = attention + feedForward + 2 * v * d + (2 * n + 1) * d;
    assert.equal(base, 6_738_415_616);
    const loraAttention = n * 4 * r * 2 * d;
    const loraFeedForward = n * 3 * r * (d + inner);

    const report = await of(LLAMA7B, "Llama", { r, target_modules: ["q_proj", "v_proj"] });
    assert.equal(report.injection.baseParameters, base);
    assert.deepEqual(
      report.kinds.map(({ layerKind, layers, parameters, adapted }) => [layerKind, layers, parameters, adapted]),
      [
        ["feed-forward", 3 * n, feedForward, 0],
        ["attention", 4 * n, attention, 2 * n],
        ["embedding", 1, v * d, 0],
        ["head", 1, v * d, 0],
        ["other", 2 * n + 1, (2 * n + 1) * d, 0],
      ],
    );
    assert.equal(report.injection.trainable, 2 * n * r * 2 * d);
    says(
      report,
      `The feed-forward layers hold most of the model: ${english(feedForward)} of ${english(base)} parameters, ${((100 * feedForward) / base).toFixed(1)} %, in 96 layers.`,
      `LoRA on attention only trains ${english(loraAttention)} parameters at rank 16`,
      `LoRA on all linear layers but the head trains ${english(loraAttention + loraFeedForward)} parameters at rank 16`,
      `trains ${english(v * d)} parameters`,
      // 4096 · 4096 / 8192
      "Break-even comes first at layers.0.self_attn.q_proj: from rank 2,048 on",
    );
    // The percentages are those of all parameters.
    const sum = report.kinds.reduce((total, { percent }) => total + percent, 0);
    assert.ok(Math.abs(sum - 100) < 1e-9);
  });

  it("takes the batch and the sequence, and refuses sizes that there are not", async () => {
    await writeFile(at("model.py"), GPT2);
    const model = { file: at("model.py"), class: "GPT2" };
    const { memory } = await summarize({ kind: "summarize", model, adapter: {}, batch: 3, sequence: 32 }, context);
    assert.deepEqual([memory?.batch, memory?.sequence], [3, 32]);
    await assert.rejects(
      summarize({ kind: "summarize", model, adapter: {}, batch: 0 }, context),
      /the batch size must/,
    );
  });

  it("says which sweep beside the model cannot be read", async () => {
    await writeFile(at("sweep.json"), "{}");
    const { sweep, sweepProblems } = await of(GPT2, "GPT2", {});
    assert.equal(sweep, null);
    assert.equal(sweepProblems.length, 1);
    assert.match(sweepProblems[0]!, /sweep\.json/);
  });
});

describe("a pattern of paths", () => {
  it("has a star for each number that differs", () => {
    assert.equal(patternOf(["h.0.fc1", "h.1.fc1"]), "h.*.fc1");
    assert.equal(patternOf(["h.3.x.0.fc", "h.4.x.0.fc"]), "h.*.x.0.fc");
    assert.equal(patternOf(["layers.7.fc1"]), "layers.7.fc1");
  });
});
