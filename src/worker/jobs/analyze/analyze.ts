import type { AnalyzeRequest } from "../../../protocol/jobs";
import type { AnalyzeLayer, AnalyzeReport, AnalyzeTotal, EqualLayers } from "../../../protocol/reports";
import { UserError } from "../../formats/errors";
import { targetSummary } from "../../lora/adapter/injection";
import type { LoraConfig } from "../../lora/config/config";
import { equalLayers } from "../../lora/sizes/equalLayers";
import { type TargetableLayer, targetableLayers } from "../../lora/targets/targets";
import { adapterBytes, breakEvenRank, layerCost, layerCosts, optimizerBytes } from "../../lora/variants/costs";
import { openChosenModel } from "../../readers/open";
import { planAdapter } from "../adapter";
import type { JobContext } from "../context";

import { checkedRanks, RANKS } from "../ranks";

import { insights } from "./insights";
import { memoryEstimate } from "./memory";

/** Samples of a batch, or tokens of a sequence: a million is the longest context that models have. */
const MAX_SIZE = 1 << 20;

/** What LoRA costs and saves over the model's layers and over ranks. Runs nothing: counts and the traced graph only. */
export async function analyze(request: AnalyzeRequest, context: JobContext): Promise<AnalyzeReport> {
  context.onProgress({ message: "Reading the model", fraction: 0 });
  const model = await openChosenModel(request.model);
  const adapter = planAdapter(model, request.adapter);
  const ranks = checkedRanks(request.ranks ?? RANKS);
  const { config } = adapter;
  const targeted = new Set(adapter.layers.map(({ layer }) => layer.path));
  const all = targetableLayers(model);
  const layers = all.map((layer) => analyzeLayer(layer, targeted.has(layer.path), config, ranks));
  if (request.focus !== undefined && !layers.some((layer) => layer.path === request.focus)) {
    throw new UserError(`${model.className} has no Linear layer "${request.focus}"`, { file: model.file });
  }
  context.signal.throwIfAborted();
  context.onProgress({ message: "Estimating memory from the training graph", fraction: 0.5 });
  const targets = all.filter(({ path }) => targeted.has(path));
  const totals = ranks.map((r) => totalAt({ ...config, r }, targets, adapter.injection.baseParameters));
  const { batch, sequence } = request;
  const estimate = await memoryEstimate(
    model,
    adapter,
    (r, graph) => planAdapter(model, { ...request.adapter, r }, graph),
    {
      given: request.model.inputs !== undefined,
      ...(batch !== undefined && { batch: checkedSize("the batch size", batch) }),
      ...(sequence !== undefined && { sequence: checkedSize("the sequence length", sequence) }),
      signal: context.signal,
    },
  );
  const memory = "memory" in estimate ? estimate.memory : null;
  return {
    kind: "analyze",
    injection: adapter.injection,
    ranks,
    layers,
    groups: groupsOf(layers),
    totals,
    memory,
    ...("reason" in estimate && { memoryUnavailable: estimate.reason }),
    ...(request.focus !== undefined && { focus: request.focus }),
    insights: insights(adapter.injection, layers, totals, memory),
  };
}

/** @throws UserError for a size that no batch or sequence has. */
export function checkedSize(what: string, size: number): number {
  if (!Number.isInteger(size) || size < 1 || size > MAX_SIZE) {
    throw new UserError(`${what} must be a whole number from 1 to ${MAX_SIZE.toLocaleString("en-US")}, not ${size}`);
  }
  return size;
}

function analyzeLayer(
  layer: TargetableLayer,
  targeted: boolean,
  config: LoraConfig,
  ranks: readonly number[],
): AnalyzeLayer {
  return {
    ...targetSummary(layer, config),
    targeted,
    breakEvenRank: breakEvenRank(layer, config),
    byRank: ranks.map((rank) => {
      const { lora, reduction } = layerCost(layer, { ...config, r: rank });
      return { rank, lora, reduction };
    }),
  };
}

/** The layers that are shown together: the targeted ones, or all where none is. */
function groupsOf(layers: readonly AnalyzeLayer[]): EqualLayers[] {
  const targeted = layers.filter((layer) => layer.targeted);
  const shown = targeted.length > 0 ? targeted : layers;
  // A configuration may give two layers of one size different variants, whose costs differ.
  return equalLayers(shown, ({ byRank }) => byRank.map(({ lora }) => lora).join(" ")).map(({ name, first, paths }) => ({
    name,
    inFeatures: first.inFeatures,
    outFeatures: first.outFeatures,
    bias: first.bias,
    paths,
    full: first.full,
    byRank: first.byRank,
  }));
}

function totalAt(config: LoraConfig, targets: readonly TargetableLayer[], base: number): AnalyzeTotal {
  const costs = layerCosts(targets, config);
  const trainable = costs.reduce((sum, cost) => sum + cost.lora, 0);
  const full = costs.reduce((sum, cost) => sum + cost.full, 0);
  return {
    rank: config.r,
    trainable,
    percent: (100 * trainable) / (base + trainable),
    reduction: full / trainable,
    adapterBytes: adapterBytes(trainable),
    optimizerBytes: optimizerBytes(trainable),
  };
}
