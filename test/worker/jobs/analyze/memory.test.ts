import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { MemoryEstimate } from "../../../../src/protocol/reports";
import type { TrainMethod } from "../../../../src/protocol/training";
import { analyze } from "../../../../src/worker/jobs/analyze/analyze";

const FIXTURES = join(__dirname, "../../../fixtures/memory");

interface Measured {
  readonly file: string;
  readonly batch: number;
  readonly sequence?: number;
  readonly targets: readonly string[];
  readonly method: TrainMethod;
  /** What PyTorch allocates at the peak of a step, the weights and the optimizer's state included. */
  readonly bytes: number;
}
/** By PyTorch with PEFT (test/fixtures/memory/make_memory.py). */
const MEASURED: readonly Measured[] = JSON.parse(readFileSync(join(FIXTURES, "measured.json"), "utf8"));

/** As far as people budget by an estimate. */
const ROOM = 0.15;

const signal = new AbortController().signal;
const context = { onProgress: () => {}, signal, stop: signal };

async function estimate(file: string, choice: Partial<Measured> = {}): Promise<MemoryEstimate> {
  const { batch, sequence, targets = ["fc1"] } = choice;
  const { memory, memoryUnavailable } = await analyze(
    {
      kind: "analyze",
      model: { file: join(FIXTURES, file), class: "Net" },
      adapter: { r: 8, target_modules: [...targets] },
      ...(batch !== undefined && { batch }),
      ...(sequence !== undefined && { sequence }),
    },
    context,
  );
  assert.ok(memory, memoryUnavailable);
  return memory;
}

describe("the memory of a training step", () => {
  for (const row of MEASURED) {
    const { file, batch, sequence, method } = row;
    const size = sequence === undefined ? `batch ${batch}` : `batch ${batch} of ${sequence} tokens`;
    it(`of ${file} at ${size} is within 15 % of PyTorch's allocations: ${method}`, async () => {
      const memory = await estimate(file, row);
      assert.deepEqual([memory.batch, memory.sequence], [batch, sequence]);
      const { total } = memory.methods.find((m) => m.method === method && (m.rank ?? 8) === 8)!;
      assert.ok(Math.abs(total / row.bytes - 1) <= ROOM, `${total} bytes, measured ${row.bytes}`);
    });
  }

  it("has its kinds, for full fine-tuning, the head and LoRA at several ranks", async () => {
    const { methods, weights } = await estimate("mlp512.py");
    assert.deepEqual(
      methods.map(({ method, rank }) => [method, rank]),
      [
        ["full", undefined],
        ["head", undefined],
        ["lora", 8],
        ["lora", 16],
        ["lora", 32],
      ],
    );
    const base = 4 * (784 * 512 + 512 + 512 * 512 + 512 + 512 * 10 + 10);
    assert.deepEqual(weights, [{ dtype: "float32", bytes: base }]);
    const trained = [base, 4 * (512 * 10 + 10), ...[8, 16, 32].map((rank) => 4 * rank * (512 + 512))];
    for (const [i, row] of methods.entries()) {
      const { adapter, gradients, optimizer, activations, update, total } = row;
      assert.deepEqual([row.weights, gradients, optimizer], [base, trained[i], 2 * trained[i]!]);
      assert.equal(adapter, row.method === "lora" ? trained[i] : 0);
      const together = base + adapter + gradients + optimizer + activations + update;
      assert.ok(total <= together && total >= together - Math.max(activations, update), `${total} of ${together}`);
      // A loop's update needs two values of the largest parameter's size.
      const largest = { full: 784 * 512, head: 512 * 10, lora: (row.rank ?? 0) * 512 }[row.method];
      assert.equal(update, 2 * 4 * largest);
      assert.equal(row.attentionScores, 0);
    }
  });

  it("grows with the batch and the sequence only in what they change", async () => {
    const [one, two, longer] = [
      await estimate("gpt.py", { batch: 1, sequence: 64 }),
      await estimate("gpt.py", { batch: 2, sequence: 64 }),
      await estimate("gpt.py", { batch: 1, sequence: 128 }),
    ];
    const lora = ({ methods }: MemoryEstimate) => methods.find(({ method }) => method === "lora")!;
    const { activations, attentionScores } = lora(one);
    for (const other of [two, longer]) {
      // But for the embedding of the positions, of which both batches have one.
      assert.ok(Math.abs(lora(other).activations / (2 * activations) - 1) < 0.02, `${lora(other).activations}`);
      const { weights, adapter, gradients, optimizer, update } = lora(other);
      const before = lora(one);
      assert.deepEqual(
        [weights, adapter, gradients, optimizer, update],
        [before.weights, before.adapter, before.gradients, before.optimizer, before.update],
      );
    }
    assert.equal(lora(two).attentionScores, 2 * attentionScores);
    assert.equal(lora(longer).attentionScores, 4 * attentionScores);
  });

  it("refuses sizes that there are not, and a sequence of what takes none", async () => {
    await assert.rejects(estimate("gpt.py", { batch: 0 }), /the batch size must be a whole number from 1/);
    await assert.rejects(estimate("gpt.py", { sequence: 1.5 }), /the sequence length must be a whole number from 1/);
    await assert.rejects(
      estimate("mlp512.py", { sequence: 8 }),
      /Net takes no sequence of tokens \(its inputs are x\)/,
    );
  });
});
