import type { LayerKind } from "../layer";
import { ATTENTIONS } from "./attention";
import { CONVOLUTIONS } from "./convolution";
import { CORE, FUNCTIONS } from "./core";
import { MERGES } from "./merge";
import { NORMALIZATIONS } from "./normalization";
import { POOLINGS } from "./pooling";
import { RECURRENTS } from "./recurrent";
import { RESHAPINGS } from "./reshaping";

const LAYERS = new Map<string, LayerKind>(
  [ATTENTIONS, CONVOLUTIONS, CORE, MERGES, NORMALIZATIONS, POOLINGS, RECURRENTS, RESHAPINGS].flatMap((table) =>
    Object.entries(table),
  ),
);
const OPERATIONS = new Map(Object.entries(FUNCTIONS));

/** How a layer computes; `undefined` when it is not known. */
export function layerKind(className: string, module: string): LayerKind | undefined {
  return module.startsWith("keras.src.ops") ? OPERATIONS.get(className) : LAYERS.get(className);
}
