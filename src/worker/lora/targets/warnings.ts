import { lineText } from "../../graph/node";
import type { Model } from "../../readers/model";
import type { LoraConfig } from "../config/config";
import { isOnlyRead } from "./defaults";
import { type TargetableLayer, unmatchedNames } from "./targets";
import type { LayerUse } from "./uses";

/** Effects of a configuration that its author may not expect, one sentence each. */

/** Names that match nothing, while others do; PEFT does not report them. */
export function unmatchedNameWarnings(
  model: Model,
  { target_modules: wanted, exclude_modules: excluded }: LoraConfig,
): string[] {
  const notes: string[] = [];
  const unmatched = (names: readonly string[] | string | null) =>
    names === null || typeof names === "string" ? [] : unmatchedNames(model, names);
  const [targets, exclusions] = [unmatched(wanted), unmatched(excluded)];
  if (targets.length > 0)
    notes.push(`No module of ${model.className} is called ${listed(targets)}, of the target modules.`);
  if (exclusions.length > 0) {
    notes.push(`No module of ${model.className} is called ${listed(exclusions)}, of the excluded modules.`);
  }
  return notes;
}

/** Adapters that have no effect, or have none in evaluation, and those that a merge changes. */
export function useWarnings(
  targets: readonly TargetableLayer[],
  uses: ReadonlyMap<string, LayerUse> | undefined,
): string[] {
  const where = (test: (layer: TargetableLayer, use: LayerUse | undefined) => boolean) =>
    targets.filter((layer) => test(layer, uses?.get(layer.path)));
  const onlyRead = where((layer, use) => isOnlyRead(layer, use));
  const [aliased, uncalled] = [
    onlyRead.filter(({ aliases }) => (aliases?.length ?? 0) > 0),
    onlyRead.filter(({ aliases }) => (aliases?.length ?? 0) === 0),
  ];
  const unused = where((_, use) => use !== undefined && !use.used && !use.called);
  const fused = where(({ fusedInEvaluation }) => fusedInEvaluation === true);
  const shared = where((_, use) => use?.called === true && use.besides === "weight");
  const forwards = where((_, use) => use?.called === true && use.besides === "forward");
  const notes: string[] = [];
  const say = (layers: readonly TargetableLayer[], sentence: (one: boolean, names: string) => string) => {
    if (layers.length > 0) notes.push(sentence(layers.length === 1, placed(layers)));
  };
  say(
    uncalled,
    (one, names) =>
      `${names}: the ${one ? "layer is" : "layers are"} never called; only ${one ? "its weight is" : "their weights are"} read. In PEFT and here, an adapter there has no effect and is never trained, but merging it changes the model.`,
  );
  say(
    aliased,
    (one, names) =>
      `${names}: forward calls the ${one ? "layer" : "layers"} only by another name (${listed(aliased.flatMap(({ aliases }) => aliases ?? []))}), but PEFT adapts the first. In PEFT and here, an adapter there has no effect and is never trained, but merging it changes the model.`,
  );
  say(
    unused,
    (one, names) =>
      `${names}: forward does not use the ${one ? "layer" : "layers"} with the example inputs, so an adapter there gets no gradient from them.`,
  );
  say(
    fused,
    (one, names) =>
      `${names}: in model.eval() PyTorch computes the ${one ? "layer" : "layers"} from the weights in one kernel with the rest of its TransformerEncoderLayer, and skips PEFT's ${one ? "adapter" : "adapters"}; training uses ${one ? "it" : "them"}. Call torch.backends.mha.set_fastpath_enabled(False) before evaluation, or merge. run gives what PEFT gives in evaluation; verify, train and merge count the ${one ? "adapter" : "adapters"}.`,
  );
  say(
    shared,
    (one, names) =>
      `${names}: the ${one ? "weight is" : "weights are"} also used elsewhere, without the ${one ? "adapter" : "adapters"}. The merged model differs from the adapted one.`,
  );
  say(
    forwards,
    (one, names) =>
      `${names}: the ${one ? "layer's class has" : "layers' classes have"} a forward of ${one ? "its" : "their"} own. PEFT adds the adapter to its output, so the merged model may differ from the adapted one.`,
  );
  return notes;
}

const NAMED = 4;

function placed(layers: readonly TargetableLayer[]): string {
  const named = layers.slice(0, NAMED).map(({ path, place }) => `${path} (${lineText(place)})`);
  return listedAs(named, layers.length);
}

function listed(names: readonly string[]): string {
  return listedAs(names.slice(0, NAMED), names.length);
}

function listedAs(shown: readonly string[], count: number): string {
  return count > shown.length ? `${shown.join(", ")} and ${count - shown.length} more` : shown.join(", ");
}
