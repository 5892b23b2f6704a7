import type { SummarizeRequest } from "../../../protocol/jobs";
import type { SummarizeReport } from "../../../protocol/reports/summary";
import { savedInitialization } from "../../lora/init/registry";
import { layerKinds } from "../../lora/targets/kinds";
import { weightOf } from "../../lora/targets/layer";
import { targetableLayers } from "../../lora/targets/targets";
import { layerCosts } from "../../lora/variants/costs";
import type { Model } from "../../readers/model";
import { openChosenModel } from "../../readers/open";
import { planAdapter } from "../adapter";
import { checkedSize } from "../analyze/analyze";
import { memoryEstimate } from "../analyze/memory";
import type { JobContext } from "../context";
import { newestSweep } from "../sweep/saved";
import { flowGroups } from "./groups";
import { type Summarized, summaryInsights } from "./insights";
import { choiceCosts, kindRows } from "./kindRows";
import { practices } from "./practices";

/** One page about a model and LoRA on it. Runs nothing: counts and the traced graph only. */
export async function summarize(request: SummarizeRequest, context: JobContext): Promise<SummarizeReport> {
  context.onProgress({ message: "Reading the model", fraction: 0 });
  const model = await openChosenModel(request.model);
  const adapter = planAdapter(model, request.adapter);
  const { config, injection } = adapter;
  const targeted = new Set(injection.targets.map(({ path }) => path));
  const targets = targetableLayers(model).filter(({ path }) => targeted.has(path));
  const layers = layerKinds(model);
  const kindOf = new Map(layers.map(({ module, kind }) => [module.path, kind]));
  const { batch, sequence } = request;
  context.signal.throwIfAborted();
  context.onProgress({ message: "Estimating memory from the training graph", fraction: 0.3 });
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
  const sweeps = await newestSweep({ file: model.file, class: model.className });
  const { name, begins } = savedInitialization(config.init_lora_weights);
  const summarized: Summarized = {
    injection,
    rankStabilized: config.use_rslora,
    groups: flowGroups(targets, config, (path) => kindOf.get(path) ?? "other"),
    kinds: kindRows(layers, config, (path) => targeted.has(path), injection.baseParameters),
    choices: choiceCosts(layers, config, injection.baseParameters),
    memory: "memory" in estimate ? estimate.memory : null,
  };
  return {
    kind: "summarize",
    ...summarized,
    begins: { name, ...begins },
    ...("reason" in estimate && { memoryUnavailable: estimate.reason }),
    sweep: sweeps.newest?.report ?? null,
    sweepProblems: sweeps.problems,
    insights: summaryInsights(summarized),
    practices: practices({
      ...summarized,
      trainableAt: (r) => layerCosts(targets, { ...config, r }).reduce((sum, { lora }) => sum + lora, 0),
      startsAtZero: begins.b === "zeros",
      tied: sharesWeights(
        model,
        targets.map((target) => weightOf(target).path),
      ),
    }),
  };
}

/** Whether a weight is also another module's. */
function sharesWeights({ stateDict }: Model, weights: readonly string[]): boolean {
  const own = new Set(weights);
  return stateDict.some(({ path, tiedTo }) => tiedTo !== undefined && (own.has(path) || own.has(tiedTo)));
}
