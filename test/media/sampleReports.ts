import type {
  AnalyzeLayer,
  AnalyzeReport,
  InjectionSummary,
  MergeReport,
  MethodMemory,
  TargetSummary,
  TrainReport,
  VerifyReport,
  WeightsSummary,
} from "../../src/protocol/reports";
import type { RunReport } from "../../src/protocol/reports/forward";

import type { SizesReport } from "../../src/protocol/reports/sizes";
import type { FlowGroup, SummarizeReport } from "../../src/protocol/reports/summary";
import type { SweepReport } from "../../src/protocol/reports/sweep";
import type { TrainMethod } from "../../src/protocol/training";

import { loraConfig } from "../../src/worker/lora/config/config";
import { comparedRank, comparedSize, sizeRows } from "../../src/worker/lora/sizes/compare";
import { equalLayers } from "../../src/worker/lora/sizes/equalLayers";
import { adapterBytes, breakEvenRank, type CostedLayer, layerCost } from "../../src/worker/lora/variants/costs";

/** A name that would show if text were read as markup anywhere. */
export const HOSTILE = '<img src=x onerror="document.title=1">';

const LAYERS = [
  { path: "attention.query", inFeatures: 256, outFeatures: 256, bias: true },
  { path: "attention.key", inFeatures: 256, outFeatures: 256, bias: false },
  { path: "feed_forward.0", inFeatures: 256, outFeatures: 1024, bias: true },
  { path: HOSTILE, inFeatures: 1024, outFeatures: 256, bias: true },
  { path: "head", inFeatures: 256, outFeatures: 10, bias: true },
];
const RANKS = [4, 8, 16, 32, 64];
const BASE = 1_000_000;

const costAt = (layer: Omit<CostedLayer, "kind">, r: number) =>
  layerCost({ ...layer, kind: "Linear" }, loraConfig({ r }));
const target = (index: number): TargetSummary => {
  const layer = LAYERS[index]!;
  return { ...layer, line: 10 + index, ...costAt(layer, 8) };
};
const targets = [0, 1, 2, 3].map(target);
const trainable = targets.reduce((sum, { lora }) => sum + lora, 0);

export const injection: InjectionSummary = {
  model: "Transformer",
  file: "/project/examples/transformer/model.py",
  rank: 8,
  alpha: 16,
  scaling: 2,
  dropout: 0,
  targets,
  baseParameters: BASE,
  trainable,
  total: BASE + trainable,
  percent: (100 * trainable) / (BASE + trainable),
  leftOut: [{ path: "head", why: "the output head" }],
  warnings: [`The rank 8 is above the smaller side of ${HOSTILE} (1024 → 4).`],
};

const weights: WeightsSummary = {
  from: "/project/base.safetensors",
  initialized: ["head.weight", "head.bias"],
  fresh: ["head"],
  unused: [],
  notes: ['Not in the weights, and so random (seed 0): "head".'],
};

export const verifyReport: VerifyReport = {
  kind: "verify",
  injection,
  engine: "ONNX Runtime",
  device: "CPU",
  inputs: [{ name: "x", shape: [2, 16, 256], dtype: "float32" }],
  inputsFrom: "the call in line 60",
  weights,
  seed: 0,
  seconds: 0.84,
  passed: false,
  checks: [
    {
      id: "identity-at-init",
      title: "Identity at initialization",
      meaning: "B starts at zero, so a fresh adapter must not change the output.",
      measured: 0,
      unit: "largest absolute difference",
      relation: "at-most",
      bound: 1.2e-5,
      boundFrom: "64 · 2^-23 · 1.6, the rounding of a sum of 256 products in float32.",
      passed: true,
    },
    {
      id: "merged",
      title: "Merged equals unmerged",
      meaning: "Adding scaling · B A to the weight must give the output of the two paths.",
      measured: 3.14e-4,
      unit: "largest absolute difference",
      relation: "at-most",
      bound: 1.2e-5,
      boundFrom: "The same rounding on both sides.",
      passed: false,
      detail: `Worst at ${HOSTILE}`,
    },
    {
      id: "perturbed",
      title: "A changed B changes the output",
      meaning: "With B perturbed the output must differ, or the checks above could not fail.",
      measured: 0.35,
      unit: "largest absolute difference",
      relation: "at-least",
      bound: 1e-3,
      boundFrom: "Far above rounding.",
      passed: true,
    },
  ],
};

const memoryOf = (method: TrainMethod, trained: number, activations: number, rank?: number): MethodMemory => {
  const adapter = method === "lora" ? trained : 0;
  const parts = { weights: 4 * BASE, adapter, gradients: trained, optimizer: 2 * trained, activations, update: 2000 };
  const total = Object.values(parts).reduce((sum, part) => sum + part, 0);
  return { method, ...(rank !== undefined && { rank }), ...parts, total: total - 2000, attentionScores: 500_000 };
};

export const analyzeReport: AnalyzeReport = {
  kind: "analyze",
  injection,
  ranks: RANKS,
  layers: LAYERS.map(
    (layer, index): AnalyzeLayer => ({
      ...target(index),
      targeted: index < 4,
      breakEvenRank: breakEvenRank({ ...layer, kind: "Linear" }, loraConfig()),
      byRank: RANKS.map((rank) => ({ rank, ...costAt(layer, rank) })),
    }),
  ),
  groups: equalLayers(targets).map(({ name, first, paths }) => ({
    ...first,
    name,
    paths,
    byRank: RANKS.map((rank) => ({ rank, ...costAt(first, rank) })),
  })),
  totals: RANKS.map((rank) => {
    const costs = targets.map((layer) => costAt(layer, rank));
    const lora = costs.reduce((sum, cost) => sum + cost.lora, 0);
    return {
      rank,
      trainable: lora,
      percent: (100 * lora) / (BASE + lora),
      reduction: costs.reduce((sum, cost) => sum + cost.full, 0) / lora,
      adapterBytes: adapterBytes(lora),
      optimizerBytes: 2 * adapterBytes(lora),
    };
  }),
  memory: {
    batch: 32,
    sequence: 128,
    weights: [{ dtype: "float32", bytes: 4 * BASE }],
    methods: [
      memoryOf("full", 4 * BASE, 3_200_000),
      memoryOf("head", 40_000, 300_000),
      ...[8, 16, 32].map((rank) => memoryOf("lora", (4 * trainable * rank) / 8, 3_000_000, rank)),
    ],
  },
  focus: "feed_forward.0",
  insights: [`The largest saving is at ${HOSTILE}.`, "The head is left out: it is trained in full or not at all."],
};

const flowGroup = (index: number, layers: number): FlowGroup => {
  const { path, line, ...layer } = target(index);
  return {
    ...layer,
    pattern: path,
    layerKind: index < 2 ? "attention" : "feed-forward",
    layers: Array.from({ length: layers }, () => ({ path, line })),
    weight: layer.inFeatures * layer.outFeatures,
    rank: 8,
    alpha: 16,
    scaling: 2,
    dropout: 0.05,
    a: 8 * layer.inFeatures,
    b: 8 * layer.outFeatures,
    breakEvenRank: breakEvenRank({ ...layer, path, kind: "Linear" }, loraConfig()),
  };
};

export const summarizeReport: SummarizeReport = {
  kind: "summarize",
  injection,
  rankStabilized: false,
  begins: { name: "true", a: "Kaiming uniform", b: "zeros" },
  groups: [flowGroup(3, 1), flowGroup(0, 12), flowGroup(2, 2)],
  kinds: [
    {
      layerKind: "feed-forward",
      layers: 2,
      parameters: 525_568,
      percent: 52.5568,
      linear: 2,
      adapted: 2,
      full: 525_568,
      lora: 20_480,
      reduction: 525_568 / 20_480,
    },
    {
      layerKind: "embedding",
      layers: 2,
      parameters: 340_534,
      percent: 34.0534,
      linear: 0,
      adapted: 0,
      full: 0,
      lora: 0,
      reduction: null,
    },
    {
      layerKind: "attention",
      layers: 2,
      parameters: 131_328,
      percent: 13.1328,
      linear: 2,
      adapted: 2,
      full: 131_328,
      lora: 8192,
      reduction: 131_328 / 8192,
    },
    {
      layerKind: "head",
      layers: 1,
      parameters: 2570,
      percent: 0.257,
      linear: 1,
      adapted: 0,
      full: 2570,
      lora: 2128,
      reduction: 2570 / 2128,
    },
  ],
  choices: [{ choice: "head", layers: 1, trainable: 2570, percent: 0.257 }],
  memory: analyzeReport.memory,
  sweep: null,
  sweepProblems: [`${HOSTILE}: runs must be a list`],
  insights: [
    { text: `The largest saving is at ${HOSTILE}.`, section: "flow", layer: { path: HOSTILE, line: 13 } },
    { text: "The feed-forward layers hold most of the model.", section: "kinds" },
  ],
  practices: [
    {
      id: "rank",
      text: "Start with a rank of 8 to 16.",
      source: { title: "Hu et al., section 7.2", url: "https://arxiv.org/abs/2106.09685" },
      here: `rank 64 trains 28,672 parameters in ${HOSTILE}.`,
    },
  ],
};

const losses = Array.from(
  { length: 2000 },
  (_value, step) => 2.3 * Math.exp(-step / 400) + 0.1 + 0.2 * Math.abs(Math.sin(step)),
);

export const trainReport: TrainReport = {
  kind: "train",
  method: "lora",
  model: "Digits",
  file: "/project/examples/digits/model.py",
  data: "/project/examples/digits/digits.csv",
  weights,
  injection,
  engine: "ONNX Runtime",
  device: "CPU",
  loss: "cross-entropy",
  lossLabel: "cross-entropy",
  optimizer: "AdamW",
  schedule: "constant",
  labels: {
    column: HOSTILE,
    identity: false,
    classes: [
      { label: "1", index: 0 },
      { label: HOSTILE, index: 1 },
    ],
  },
  samples: { train: 1437, validation: 360 },
  batchSize: 32,
  learningRate: 1e-3,
  seed: 0,
  trainable,
  total: BASE + trainable,
  percent: injection.percent,
  before: { loss: 4.21, accuracy: 0.312 },
  after: { loss: 0.31, accuracy: 0.947 },
  epochs: [1, 2, 3].map((epoch) => ({
    epoch,
    trainLoss: 1 / epoch,
    validationLoss: 1.1 / epoch,
    validationAccuracy: 0.8 + 0.05 * epoch,
  })),
  losses,
  seconds: 6.3,
  samplesPerSecond: 10_500,
  stopped: false,
  output: {
    folder: "/project/adapters/digits",
    files: ["/project/adapters/digits/adapter_config.json", "/project/adapters/digits/adapter_model.safetensors"],
  },
};

export const sweepReport: SweepReport = {
  kind: "sweep",
  model: "Digits",
  file: "/project/examples/digits/model.py",
  data: "/project/examples/digits/rotated.csv",
  label: HOSTILE,
  weights,
  targets: ["fc1", HOSTILE],
  engine: "ONNX Runtime",
  device: "CPU",
  loss: "cross-entropy",
  lossLabel: "cross-entropy",
  optimizer: "AdamW",
  schedule: "constant",
  samples: { train: 1438, validation: 359 },
  batchSize: 32,
  learningRate: 1e-3,
  epochs: 3,
  seed: 0,
  alphaPerRank: 2,
  alphaNote: "Alpha grows with the rank (alpha = 2 × rank), so the scale is 2 at every rank.",
  runs: RANKS.map((rank, i) => ({
    rank,
    alpha: 2 * rank,
    scaling: 2,
    trainable: 448 * rank,
    percent: (100 * 448 * rank) / (26_122 + 448 * rank),
    adapterBytes: adapterBytes(448 * rank),
    before: { loss: 19.03, accuracy: 0.1003 },
    after: { loss: [2.04, 1.74, 1.45, 0.62, 0.68][i]!, accuracy: [0.276, 0.396, 0.813, 0.83, 0.827][i]! },
    seconds: 1.3 + i / 4,
    samplesPerSecond: 5000 - 200 * i,
    folder: `r${rank}`,
  })),
  notRun: [],
  stopped: false,
  best: 32,
  smallestGood: 16,
  insights: [`Rank 16 is the smallest within one standard error of ${HOSTILE}.`],
  warnings: [`The rank 256 is above the smaller side of ${HOSTILE} (1024 → 4).`],
  seconds: 9.4,
  finishedAt: "2026-01-31T12:00:00.000Z",
  output: {
    folder: "/project/examples/digits/model-sweep",
    files: ["/project/examples/digits/model-sweep/sweep.json"],
  },
};

export const mergeReport: MergeReport = {
  kind: "merge",
  model: "Digits",
  weights,
  adapter: "/project/adapters/digits",
  output: "/project/merged",
  merged: [
    { path: "fc1", deltaNorm: 0.42, weightNorm: 12.8 },
    { path: HOSTILE, deltaNorm: 0.11, weightNorm: 9.7 },
  ],
  tensors: 6,
  bytes: 812_344,
  loadedBy: { library: "TensorFlow.js 4.22.0", difference: 1.5e-7 },
  checkpoint: {
    files: ["/project/merged/model-00001-of-00001.safetensors", "/project/merged/model.safetensors.index.json"],
    copied: ["config.json", HOSTILE],
    leftOut: [{ name: HOSTILE, reason: "it is code" }],
  },
};

/** Ten classes, which the adapter decides otherwise. */
export const runReport: RunReport = {
  kind: "run",
  model: "Digits",
  file: "/project/digits.py",
  engine: "ONNX Runtime",
  device: "CPU, 2 threads",
  weights,
  seed: 0,
  seconds: 0.42,
  inputs: [{ name: "x", shape: [1, 64], dtype: "float32", first: [0, 0, 5, 13, 9, 1, 0, 0, 0, 0] }],
  inputsFrom: "row 3 of digits.csv",
  label: { column: "label", value: HOSTILE },
  adapter: { folder: "/project/adapters/digits", injection },
  outputs: [
    {
      name: "output",
      shape: [1, 10],
      dtype: "float32",
      first: [-3.2, 1.5, 0.31, 4.2, -0.0002, 2.25, -7.9, 0.6, 1.1, -1.4],
      adaptedFirst: [-2.9, 6.1, 0.35, 1.8, 0.4, 2.2, -9.3, 0.58, 1.3, -1.6],
      largest: 7.9,
      highest: 3,
      adaptedHighest: 1,
      difference: { largest: 4.6, at: [0, 1], share: 4.6 / 7.9 },
    },
    { name: HOSTILE, shape: [], dtype: "float32", first: ["NaN"], largest: "NaN", highest: null },
  ],
  warnings: injection.warnings!,
};

const SIZES = [
  { name: "BERT-base attention", inFeatures: 768, outFeatures: 768 },
  { name: "BERT-base feed-forward", inFeatures: 768, outFeatures: 3072 },
  { name: HOSTILE, inFeatures: 4096, outFeatures: 11008, bias: false, layers: 64 },
  { inFeatures: 16, outFeatures: 10 },
];

export const sizesReport: SizesReport = {
  kind: "sizes",
  rows: SIZES.flatMap((size) => sizeRows(size, RANKS)),
  sizes: SIZES.map(comparedSize),
  ranks: RANKS.map(comparedRank),
  alpha: null,
  known: [
    { id: "bert-base", title: "BERT-base" },
    { id: "llama-2-7b", title: "Llama-2-7B" },
  ],
};
