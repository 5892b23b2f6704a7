import { strict as assert } from "node:assert";
import { join } from "node:path";
import { chooseEngine } from "../../../../src/worker/engines/choose";
import type { Engine, EngineTensor } from "../../../../src/worker/engines/engine";
import { toFloat32 } from "../../../../src/worker/formats/convert";
import { float32, sizeOf, type Tensor } from "../../../../src/worker/formats/tensor";
import { planAdapter } from "../../../../src/worker/jobs/adapter";
import { openModel } from "../../../../src/worker/jobs/opened";
import { CHECKS } from "../../../../src/worker/jobs/verify/checks";
import { prepare } from "../../../../src/worker/jobs/verify/runs";
import { VerifySubject } from "../../../../src/worker/jobs/verify/subject";
import { initializeAdapter } from "../../../../src/worker/lora/init/initialize";

const FOLDER = join(__dirname, "../../../fixtures/training");

/** One output of one run of one compiled graph; graphs and runs count from 0. */
interface Output {
  readonly graph: number;
  readonly run: number;
  readonly name: string;
  readonly tensor: Tensor;
}
/** Returns the output, changed or as it is. */
type Tamper = (output: Output) => Tensor;

/** What `prepare` compiles first; the check's own graphs follow. */
const [BASE, ADAPTED, OWN] = [0, 1, 2];

const scaled = (tensor: Tensor, factor: number): Tensor =>
  float32(
    tensor.shape,
    toFloat32(tensor).map((v) => v * factor),
  );

/** Each check with a fault that it, of all, is there to find. */
const FAULTS: Readonly<Record<string, Tamper>> = {
  "output-shape": ({ graph, tensor }) => (graph === ADAPTED ? { ...tensor, shape: [1, sizeOf(tensor.shape)] } : tensor),
  "identity-at-init": ({ graph, tensor }) => (graph === ADAPTED ? scaled(tensor, 1.001) : tensor),
  "low-rank-path": ({ name, tensor }) => (name === "low.1" ? scaled(tensor, 1.001) : tensor),
  "merged-equals-unmerged": ({ graph, tensor }) => (graph === OWN ? scaled(tensor, 1.001) : tensor),
  "unmerge-restores-base": ({ graph, run, tensor }) =>
    graph === BASE && run > 0 ? scaled(tensor, 1 + 2 ** -22) : tensor,
  "only-adapters-have-gradients": ({ name, tensor }) => (name === "fc2.lora_A.weight" ? scaled(tensor, 0) : tensor),
  "finite-differences": ({ graph, name, tensor }) =>
    graph === OWN && name === "fc1.lora_B.weight" ? scaled(tensor, 1.03) : tensor,
  "base-unchanged": ({ graph, run, tensor }) => (graph === OWN && run === 5 ? scaled(tensor, 1 + 2 ** -22) : tensor),
  "save-and-load": ({ graph, run, tensor }) => (graph === ADAPTED && run > 0 ? scaled(tensor, 1 + 2 ** -22) : tensor),
  // As if alpha were ignored.
  scaling: ({ graph, tensor }) => (graph === OWN + 1 ? scaled(tensor, 1 / 3) : tensor),
  "perturbed-differs": ({ tensor }) => tensor,
};

/** An engine whose outputs pass through `tamper`. */
function tampering(engine: Engine, tamper: Tamper): Engine {
  let graphs = 0;
  return {
    id: engine.id,
    label: engine.label,
    available: () => engine.available(),
    async compile(graph, options) {
      const number = graphs++;
      const executable = await engine.compile(graph, options);
      let runs = 0;
      return {
        async run(feeds) {
          const run = runs++;
          const outputs = new Map<string, EngineTensor>();
          for (const [name, output] of await executable.run(feeds)) {
            outputs.set(name, {
              shape: output.shape,
              read: async () => tamper({ graph: number, run, name, tensor: await output.read() }),
              dispose: () => output.dispose(),
            });
          }
          return outputs;
        },
        dispose: () => executable.dispose(),
      };
    },
  };
}

const IDS = Object.keys(FAULTS);

describe("the checks of verify", () => {
  /** The check's result over the small classifier, with the fault in its engine. */
  async function result(
    id: string,
    tamper: Tamper,
    options: { readonly inert?: boolean; readonly random?: boolean } = {},
  ) {
    const opened = await openModel({
      file: join(FOLDER, "mlp/model.py"),
      weights: join(FOLDER, "mlp-adam/base.safetensors"),
    });
    const { config, ...rest } = planAdapter(opened.model, { r: 4 });
    const planned = { ...rest, config: options.random ? { ...config, init_lora_weights: false } : config };
    const adapter = options.inert
      ? { ...planned, tensors: await initializeAdapter(planned.layers, planned.config.init_lora_weights, 0) }
      : planned;
    const { engine } = await chooseEngine("onnxruntime-cpu");
    const signal = new AbortController().signal;
    const subject = new VerifySubject(
      tampering(engine, tamper),
      opened,
      opened.model.trace(),
      adapter,
      new Map(),
      signal,
    );
    try {
      const runs = await prepare(subject);
      const found = await CHECKS[IDS.indexOf(id)]!(runs);
      assert.ok(found);
      assert.equal(found.id, id, "FAULTS are in the order of the report");
      return found;
    } finally {
      await subject.dispose();
    }
  }

  const honest: Tamper = ({ tensor }) => tensor;

  for (const [id, fault] of Object.entries(FAULTS)) {
    it(`${id} passes on a right engine and fails on its fault`, async () => {
      const right = await result(id, honest);
      assert.equal(right.passed, true, `${right.measured} ${right.relation} ${right.bound}`);
      // An adapter whose B is zero is connected to nothing, whatever the engine.
      const wrong = await result(id, fault, id === "perturbed-differs" ? { inert: true } : {});
      assert.equal(wrong.passed, false, `${wrong.measured} ${wrong.relation} ${wrong.bound}`);
      for (const check of [right, wrong]) {
        const holds = check.relation === "at-most" ? check.measured <= check.bound : check.measured >= check.bound;
        assert.equal(holds, check.passed);
      }
    });
  }

  it("identity-at-init checks an adapter whose matrices both start at random with B at zero", async () => {
    const right = await result("identity-at-init", honest, { random: true });
    assert.equal(right.passed, true, `${right.measured}`);
    assert.match(right.meaning, /init_lora_weights is false.*not meant to be/);
    assert.match(right.detail!, /changes the output by up to [0-9.]*[1-9]/);
    const fault: Tamper = ({ graph, tensor }) => (graph === ADAPTED ? scaled(tensor, 1.001) : tensor);
    assert.equal((await result("identity-at-init", fault, { random: true })).passed, false);
  });

  it("finite-differences find a gradient in which some elements are missing", async () => {
    const lacking: Tamper = ({ graph, name, tensor }) => {
      if (graph !== OWN || name !== "fc1.lora_A.weight") return tensor;
      const values = toFloat32(tensor);
      return float32(
        tensor.shape,
        values.map((v, i) => (i < values.length / 3 ? 0 : v)),
      );
    };
    assert.equal((await result("finite-differences", lacking)).passed, false);
  });

  it("are all covered here", () => {
    assert.equal(IDS.length, CHECKS.length);
  });
});
