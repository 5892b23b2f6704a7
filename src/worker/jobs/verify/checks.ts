import { rm } from "node:fs/promises";
import type { VerifyCheck } from "../../../protocol/reports";
import { toFloat32 } from "../../formats/convert";
import { loadTensor } from "../../formats/safetensors";
import { makeTemporaryFolder } from "../../formats/temporary";
import { bytesOf, float32 } from "../../formats/tensor";
import { sameShape, shapeText } from "../../graph/shapes";
import { loadAdapter, saveAdapter } from "../../lora/adapter/adapterFiles";
import { savedInitialization } from "../../lora/init/registry";
import { resolveAll } from "../../lora/variants/resolve";
import { differentiate } from "../../passes/autodiff";
import { defaultOptimizer } from "../../training/optimizers/registry";
import { PARAMETERS, unpackParameters } from "../../training/packed";
import { initialState, trainingStep } from "../../training/step";
import { withZeros } from "../adapterBase";
import { finiteDifferences } from "./finiteDifferences";
import type { Runs } from "./runs";
import { largestDifference, magnitude, type Outputs, type VerifySubject } from "./subject";
import { type Tolerance, tolerance } from "./tolerance";

/** Undefined where the check does not apply to the adapter. */
type Check = (runs: Runs) => Promise<VerifyCheck | undefined>;

const within = (measured: number, { bound, from }: Tolerance) => ({
  measured,
  relation: "at-most" as const,
  bound,
  boundFrom: from,
  passed: measured <= bound,
});

const exactly = (measured: number, from: string) => within(measured, { bound: 0, from });

/** For the outputs of the whole model. */
function modelTolerance({ subject, base, outputPerturbed }: Runs): Tolerance {
  return tolerance(subject.sumLength, subject.depth, Math.max(magnitude(base), magnitude(outputPerturbed)));
}

const outputShape: Check = async ({ base, outputPerturbed }) => {
  const odd = [...base].filter(([name, { shape, dtype }]) => {
    const other = outputPerturbed.get(name);
    return !other || other.dtype !== dtype || !sameShape(other.shape, shape);
  });
  return {
    id: "output-shape",
    title: "Output shape",
    meaning:
      "The adapted model returns tensors of the base model's shapes and dtypes, so it can replace the base model.",
    unit: "outputs that differ",
    ...exactly(odd.length, "shapes agree or they do not"),
    detail: [...base].map(([name, { shape }]) => `${name} ${shapeText(shape)}`).join(", "),
  };
};

const identityAtInit: Check = async (runs) => {
  const { adapter } = runs.subject;
  const about = {
    id: "identity-at-init",
    title: "Identity at initialization",
    unit: "largest difference in the output",
  };
  const started = await runs.runAdapted(runs.fresh);
  if (!savedInitialization(adapter.config.init_lora_weights).identity) {
    // It is not meant to be an identity; instead, its whole effect must come from B.
    const withoutB = withZeros(runs.fresh, adapter.layers, "B");
    const difference = largestDifference(await runs.runAdapted(withoutB), runs.given);
    const effect = largestDifference(started, runs.given).value;
    return {
      ...about,
      meaning:
        "init_lora_weights is false: A and B both start at random, so this adapter is not meant to be an identity. With B at zero it must change nothing.",
      ...within(difference.value, modelTolerance(runs)),
      detail: `before any training the adapter changes the output by up to ${effect.toPrecision(2)}`,
    };
  }
  const difference = largestDifference(started, runs.given);
  return {
    ...about,
    meaning: "B starts at zero, so a fresh adapter changes nothing: training starts from the base model.",
    ...within(difference.value, modelTolerance(runs)),
  };
};

const lowRankPath: Check = async ({ subject, perturbed }) => {
  // A variant without a separate path has only one computation.
  const layers = subject.adapter.layers.filter(({ variant }) => variant.forward);
  if (layers.length === 0) return undefined;
  const { graph, feeds } = subject.contributions(layers);
  const run = await subject.compile(graph);
  const outputs = await run(new Map([...feeds, [PARAMETERS, subject.layout.pack(perturbed)]]));
  let worst = { ratio: -1, measured: 0, limit: { bound: 0, from: "" }, path: "" };
  layers.forEach(({ layer: { path, inFeatures } }, i) => {
    const low = new Map([["y", outputs.get(`low.${i}`)!]]);
    const delta = new Map([["y", outputs.get(`delta.${i}`)!]]);
    const limit = tolerance(inFeatures, 2, magnitude(delta));
    const measured = largestDifference(low, delta).value;
    if (measured / limit.bound > worst.ratio) worst = { ratio: measured / limit.bound, measured, limit, path };
  });
  return {
    id: "low-rank-path",
    title: "Low-rank path equals delta weights",
    meaning: "scaling · B(A(x)), as trained, gives the same result as the full matrix ΔW = scaling · B A.",
    unit: "largest difference in a layer's output",
    ...within(worst.measured, worst.limit),
    detail: `closest to its bound: ${worst.path}`,
  };
};

const mergedEqualsUnmerged: Check = async (runs) => {
  const { subject, perturbed, outputPerturbed } = runs;
  const output = async (rounded: boolean) =>
    (await subject.compile(subject.merged(rounded)))(subject.withAdapter(perturbed));
  const difference = largestDifference(await output(false), outputPerturbed);
  const half = subject.storedHalf;
  const rounding = half && largestDifference(await output(true), outputPerturbed);
  return {
    id: "merged-equals-unmerged",
    title: "Merged equals unmerged",
    meaning: "The weights with ΔW added give the same output as base and adapter side by side.",
    unit: "largest difference in the output",
    ...within(difference.value, modelTolerance(runs)),
    ...(rounding && {
      detail: `before rounding; a merged file stores its weights in ${half}, which changes the output by up to ${rounding.value.toPrecision(2)}`,
    }),
  };
};

const unmergeRestores: Check = async (runs) => ({
  id: "unmerge-restores-base",
  title: "Unmerge restores the base",
  meaning: "After the merge, the base model still gives its own output bit for bit: merging never writes to it.",
  unit: "output elements that differ",
  ...exactly(differingElements(await runs.runBase(), runs.base), "the base weights are kept, not subtracted back"),
});

const onlyAdapters: Check = async ({ subject, perturbed }) => {
  const { graph, feeds } = subject.withScalarLoss();
  const trainable = subject.trained;
  const wrt = graph.parameters.filter((node) => trainable.includes(node.attrs.path));
  const trained = wrt.length === 0 ? [] : trainingStep(graph, trainable, defaultOptimizer()).layout.parameters;
  const gradients = differentiate(graph, graph.output("loss"), wrt);
  const outputs = [...gradients].map(([node, gradient]) => [nameOf(node), gradient] as const);
  let values: Outputs = new Map();
  if (outputs.length > 0) {
    const run = await subject.compile(unpackParameters(graph.withOutputs(outputs), subject.layout));
    values = await run(new Map([...feeds, [PARAMETERS, subject.layout.pack(perturbed)]]));
  }
  const still = trainable.filter((path) => !values.get(path) || toFloat32(values.get(path)!).every((g) => g === 0));
  const frozen = trained.filter((p) => !trainable.includes(p.path));
  return {
    id: "only-adapters-have-gradients",
    title: "Only adapters have gradients",
    meaning: "Every A and B receives a gradient, and the training step updates nothing else.",
    unit: "tensors that should be trained and are not, or are trained and should not be",
    ...exactly(still.length + frozen.length, "a tensor is trained or frozen"),
    detail:
      still.length > 0
        ? `without a gradient: ${still.slice(0, 3).join(", ")}${still.length > 3 ? ", …" : ""}`
        : `${trainable.length} adapter tensors are trained; ${graph.parameters.length - trainable.length} base tensors are not`,
  };
};

function nameOf(node: { readonly attrs: { readonly path: string } }): string {
  return node.attrs.path;
}

const TRAINING_STEPS = 5;

const baseUnchanged: Check = async ({ subject, perturbed }) => {
  const { graph, feeds } = subject.withScalarLoss();
  const trainable = subject.trained;
  const about = {
    id: "base-unchanged",
    title: "Base weights unchanged after training steps",
    meaning: `After ${TRAINING_STEPS} steps of Adam the adapters have moved and the base weights have not, bit for bit.`,
    unit: "elements that differ",
  };
  if (!graph.parameters.some((node) => trainable.includes(node.attrs.path))) {
    return {
      ...about,
      ...exactly(1, "adapters must move"),
      detail: "no adapter has an effect, so none can be trained",
    };
  }
  const optimizer = defaultOptimizer();
  const { graph: step, layout } = trainingStep(graph, trainable, optimizer);
  const run = await subject.compile(step);
  const before = await checksum(subject);
  const start = initialState(layout, perturbed, optimizer);
  let state = start;
  let first: Outputs | undefined;
  for (let t = 1; t <= TRAINING_STEPS; t++) {
    const outputs = await run(new Map([...feeds, ...state, ...optimizer.feeds(t, 1e-2)]));
    first ??= outputs;
    state = new Map([...start.keys()].map((name) => [name, outputs.get(name)!]));
  }
  // The same first step again, in the same session: if a step had changed a base weight, the result would differ.
  const again = await run(new Map([...feeds, ...start, ...optimizer.feeds(1, 1e-2)]));
  const after = await checksum(subject);
  const changed = differingElements(first!, again) + (before === after ? 0 : 1);
  const moved = largestDifference(new Map([["p", state.get(PARAMETERS)!]]), new Map([["p", start.get(PARAMETERS)!]]));
  return {
    ...about,
    ...exactly(changed + (moved.value > 0 ? 0 : 1), "frozen weights must not change at all"),
    detail: `the adapters moved by up to ${moved.value.toPrecision(2)}`,
  };
};

const saveAndLoad: Check = async (runs) => {
  const { adapter } = runs.subject;
  const folder = await makeTemporaryFolder();
  try {
    const config = { ...adapter.config, target_modules: adapter.layers.map(({ layer }) => layer.path) };
    await saveAdapter(folder, config, runs.perturbed);
    const loaded = await loadAdapter(folder);
    const difference = differingElements(await runs.runAdapted(loaded.tensors), runs.outputPerturbed);
    return {
      id: "save-and-load",
      title: "Save and load",
      meaning: "The adapter saved in PEFT's format and loaded again gives the same output bit for bit.",
      unit: "output elements that differ",
      ...exactly(difference, "safetensors stores float32 exactly"),
      detail: `${loaded.tensors.size} tensors`,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

const scaling: Check = async ({ subject, perturbed }) => {
  const { config } = subject.adapter;
  const layers = subject.adapter.layers.filter(({ variant }) => variant.check.proportional).map(({ layer }) => layer);
  if (layers.length === 0) return undefined;
  const contributions = async (alpha: number) => {
    const { graph, feeds } = subject.contributions(resolveAll({ ...config, lora_alpha: alpha }, layers));
    const run = await subject.compile(
      graph.withOutputs([...graph.outputs].filter(([name]) => name.startsWith("low."))),
    );
    return run(new Map([...feeds, [PARAMETERS, subject.layout.pack(perturbed)]]));
  };
  const once = await contributions(config.lora_alpha);
  const thrice = await contributions(3 * config.lora_alpha);
  const expected = new Map(
    [...once].map(([name, t]) => [
      name,
      float32(
        t.shape,
        toFloat32(t).map((v) => 3 * v),
      ),
    ]),
  );
  const difference = largestDifference(thrice, expected);
  return {
    id: "scaling",
    title: "Scaling",
    meaning: `The adapter's contribution is proportional to alpha: three times alpha gives three times the contribution.`,
    unit: "largest difference in a layer's output",
    ...within(
      difference.value,
      tolerance(Math.max(...layers.map(({ inFeatures }) => inFeatures)), 1, magnitude(thrice)),
    ),
    detail: `alpha ${config.lora_alpha}, rank ${config.r}: scale ${subject.adapter.injection.scaling}`,
  };
};

const perturbedDiffers: Check = async (runs) => {
  const difference = largestDifference(runs.outputPerturbed, runs.base);
  const { bound } = modelTolerance(runs);
  return {
    id: "perturbed-differs",
    title: "With B not zero the output differs",
    meaning:
      "The adapters are connected: values in B change the output by far more than rounding does. Without this, the checks above would pass for an adapter that does nothing.",
    unit: "largest difference in the output",
    measured: difference.value,
    relation: "at-least",
    bound: bound * 10,
    boundFrom: "10 × the tolerance within which two outputs count as equal",
    passed: difference.value >= bound * 10,
  };
};

/** In the order of the report. */
export const CHECKS: readonly Check[] = [
  outputShape,
  identityAtInit,
  lowRankPath,
  mergedEqualsUnmerged,
  unmergeRestores,
  onlyAdapters,
  finiteDifferences,
  baseUnchanged,
  saveAndLoad,
  scaling,
  perturbedDiffers,
];

function differingElements(a: Outputs, b: Outputs): number {
  let count = 0;
  for (const [name, tensor] of a) {
    const [x, y] = [bytesOf(tensor), bytesOf(b.get(name)!)];
    const width = x.byteLength / Math.max(1, tensor.data.length);
    for (let i = 0; i < x.byteLength; i += width) {
      for (let k = 0; k < width; k++) {
        if (x[i + k] !== y[i + k]) {
          count++;
          break;
        }
      }
    }
  }
  return count;
}

/** FNV-1a over every base weight's bytes, as they are in memory or in the file now. */
async function checksum(subject: VerifySubject): Promise<number> {
  let hash = 0x811c9dc5;
  for (const value of subject.opened.values.values()) {
    const bytes = bytesOf(await loadTensor(value));
    for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return hash >>> 0;
}
