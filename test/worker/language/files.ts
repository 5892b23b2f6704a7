import type { FileSummary, LayerSummary, ModelSummary, Place } from "../../../src/protocol/model";
import type { Reading } from "../../../src/worker/language/layers";

/** A place that spans columns 9 to 40 of a line. */
export function place(line: number, column = 9): Place {
  return { line, column, endLine: line, endColumn: column + 31 };
}

export function linear(
  path: string,
  inFeatures: number | null,
  outFeatures: number | null,
  line: number,
  bias: boolean | null = true,
): LayerSummary {
  const known = inFeatures !== null && outFeatures !== null && bias !== null;
  const parameters = known ? inFeatures * outFeatures + (bias ? outFeatures : 0) : null;
  return { path, kind: "Linear", inFeatures, outFeatures, bias, parameters, line, place: place(line) };
}

export function embedding(
  path: string,
  rows: number | null,
  width: number | null,
  line: number,
  parameters: number,
): LayerSummary {
  return {
    path,
    kind: "Embedding",
    inFeatures: rows,
    outFeatures: width,
    bias: null,
    parameters,
    line,
    place: place(line),
  };
}

export function model(name: string, layers: readonly LayerSummary[], fields: Partial<ModelSummary> = {}): ModelSummary {
  const parameters = layers.some((layer) => layer.parameters === null)
    ? null
    : layers.reduce((sum, layer) => sum + layer.parameters!, 0);
  return {
    class: name,
    line: 1,
    place: { line: 1, column: 1, endLine: 30, endColumn: 1 },
    parameters,
    layers,
    ...fields,
  };
}

/** A reading in which every known Linear but the last is a default target. */
export function reading(models: readonly ModelSummary[], problems: FileSummary["problems"] = []): Reading {
  const targets = ({ layers }: ModelSummary) => {
    const known = layers.filter((layer) => layer.kind === "Linear" && layer.parameters !== null);
    return (known.length > 1 ? known.slice(0, -1) : known).map((layer) => layer.path);
  };
  return {
    summary: { models, problems },
    defaultTargets: new Map(models.map((one) => [one.class, targets(one)])),
  };
}
