import type { LayerSize, SizesReport, SizesRequest } from "../../../protocol/reports/sizes";
import { UserError } from "../../formats/errors";
import { comparedRank, comparedSize, sizeRows } from "../../lora/sizes/compare";
import { equalLayers } from "../../lora/sizes/equalLayers";
import { targetableLayers } from "../../lora/targets/targets";
import { openChosenModel } from "../../readers/open";
import type { JobContext } from "../context";
import { checkedRanks, RANKS } from "../ranks";
import { COMMON_SIZES, KNOWN_MODELS } from "./known";

/** A page stays readable with as many, and a model has few distinct sizes. */
const MAX_SIZES = 64;
/** The product of two such sides is still exact. */
const MAX_FEATURES = 2 ** 24;

/** What LoRA costs and saves at layers of given sizes. Needs no model: it counts only. */
export async function sizes(request: SizesRequest, context: JobContext): Promise<SizesReport> {
  context.onProgress({ message: "Counting", fraction: 0 });
  const ranks = checkedRanks(request.ranks ?? RANKS);
  const { alpha, bias } = request;
  if (alpha !== undefined && !(alpha > 0 && Number.isFinite(alpha))) {
    throw new UserError(`alpha must be a number above 0, not ${alpha}`);
  }
  const asked = await askedSizes(request);
  context.signal.throwIfAborted();
  const compared = distinct(asked.map((size) => (bias === false ? { ...size, bias } : size)));
  if (compared.length > MAX_SIZES) {
    throw new UserError(`${compared.length} sizes are too many to compare: name at most ${MAX_SIZES}`);
  }
  compared.forEach(checkSize);
  return {
    kind: "sizes",
    rows: compared.flatMap((size) => sizeRows(size, ranks, alpha)),
    sizes: compared.map(comparedSize),
    ranks: ranks.map(comparedRank),
    alpha: alpha ?? null,
    known: KNOWN_MODELS.map(({ id, title }) => ({ id, title })),
  };
}

async function askedSizes({ sizes = [], known = [], model, common }: SizesRequest): Promise<LayerSize[]> {
  const ofModels = [...known.flatMap(knownSizes), ...(model ? await modelSizes(model) : [])];
  const named = sizes.length > 0 || known.length > 0 || model !== undefined;
  return [...(common || !named ? COMMON_SIZES : []), ...sizes, ...ofModels];
}

function knownSizes(id: string): readonly LayerSize[] {
  const found = KNOWN_MODELS.find((model) => model.id === id.trim().toLowerCase());
  if (found) return found.sizes;
  throw new UserError(
    `no known model is called "${id}"; there are ${KNOWN_MODELS.map((model) => model.id).join(", ")}`,
  );
}

async function modelSizes(choice: NonNullable<SizesRequest["model"]>): Promise<LayerSize[]> {
  const model = await openChosenModel(choice);
  const layers = targetableLayers(model);
  if (layers.length === 0) {
    throw new UserError(`${model.className} has no linear layer whose size is known`, { file: model.file });
  }
  return equalLayers(layers).map(({ name, first, paths }) => ({
    name: `${model.className} ${name}`,
    inFeatures: first.inFeatures,
    outFeatures: first.outFeatures,
    bias: first.bias,
    layers: paths.length,
  }));
}

/** A size that is named twice in the same words is compared once. */
function distinct(all: readonly LayerSize[]): LayerSize[] {
  const key = ({ name, inFeatures, outFeatures, bias = true }: LayerSize) =>
    JSON.stringify([name ?? "", inFeatures, outFeatures, bias]);
  return [...new Map(all.map((size) => [key(size), size])).values()];
}

function checkSize({ inFeatures, outFeatures }: LayerSize): void {
  const valid = (n: number) => Number.isInteger(n) && n >= 1 && n <= MAX_FEATURES;
  if (valid(inFeatures) && valid(outFeatures)) return;
  throw new UserError(
    `a layer's size is two whole numbers from 1 to ${MAX_FEATURES.toLocaleString("en-US")}, its inputs and its outputs, not ${inFeatures} and ${outFeatures}`,
  );
}
