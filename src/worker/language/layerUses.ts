import type { Graph } from "../graph/graph";
import type { SourcePlace } from "../graph/node";
import { isOnlyRead } from "../lora/targets/defaults";
import { type TargetableLayer, targetableLayers } from "../lora/targets/targets";
import { type LayerUse, usesIn } from "../lora/targets/uses";
import type { Model, Problem } from "../readers/model";

/** Findings from a trace on linear layers for which an adapter has little or no effect. */
export interface LayerFindings {
  readonly problems: readonly Problem[];
  /** Where layers are made that are never called, only their weights read, all that are made there. */
  readonly onlyRead: readonly SourcePlace[];
}

export function layerFindings(model: Model, graph: Graph): LayerFindings {
  const uses = usesIn(graph, model);
  // A model that is itself a layer is not a target.
  const layers = targetableLayers(model).filter(({ path }) => path !== "");
  const problems = layers.flatMap((layer): Problem[] => {
    const found = findingOf(layer, uses.get(layer.path));
    return found ? [{ place: layer.place, ...found }] : [];
  });
  const made = new Map<string, { readonly place: SourcePlace; called: boolean }>();
  for (const layer of layers) {
    if (layer.neverCalled) continue;
    const { place, path } = layer;
    const key = `${place.file}:${place.cell}:${place.line}:${place.column}`;
    const called = !isOnlyRead(layer, uses.get(path)) || made.get(key)?.called === true;
    made.set(key, { place, called });
  }
  return { problems, onlyRead: [...made.values()].flatMap(({ place, called }) => (called ? [] : [place])) };
}

function findingOf(layer: TargetableLayer, use: LayerUse | undefined): Omit<Problem, "place"> | undefined {
  const { path, kind, aliases = [], neverCalled, fusedInEvaluation } = layer;
  if (!use) return undefined;
  if (aliases.length > 0 && use.used && (!use.called || use.besides !== "nothing")) {
    return {
      severity: "warning",
      code: "lora-layer-under-two-names",
      message: `${path} is also registered as ${aliases.join(", ")}. PEFT puts an adapter on the first name only: calls by another name run without it, but merging changes the weight of both.`,
    };
  }
  // MultiheadAttention is not the file's own code, and handwritten LoRA makes a weight of its own.
  if (isOnlyRead(layer, use) && use.multiplied && !neverCalled) {
    return {
      severity: "warning",
      code: "lora-layer-not-called",
      message: `${path} is never called; only its weight is read. An adapter on it has no effect in PEFT and is never trained, so it is not a default target.`,
    };
  }
  if (fusedInEvaluation) {
    return {
      severity: "information",
      code: "lora-skipped-in-evaluation",
      message: `In model.eval() PyTorch computes this layer in one kernel from its weights and skips PEFT's adapters on linear1 and linear2. Call torch.backends.mha.set_fastpath_enabled(False) before evaluation, or merge the adapter.`,
    };
  }
  if (use.called && use.besides === "forward") {
    return {
      severity: "information",
      code: "lora-own-forward",
      message: `${kind} has a forward of its own. PEFT adds the adapter to its output, so the merged model may differ from the adapted one.`,
    };
  }
  return undefined;
}
