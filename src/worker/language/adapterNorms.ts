import { code } from "./codeSpan";
import { count, percent, scale } from "./numbers";

/** What the adapter beside a model does to layers that are hovered over. */
export interface AdapterNorms {
  /** Name of the adapter's folder. */
  readonly folder: string;
  /** Layers that the adapter is on, as many as are named. */
  readonly layers: readonly LayerNorm[];
  /** How many more there are. */
  readonly more: number;
  /** What there is to know of the numbers, in sentences. */
  readonly notes: readonly string[];
}

export interface LayerNorm {
  readonly path: string;
  /** Frobenius norm of the delta weight, scaling · B A. */
  readonly delta: number;
  /** Frobenius norm of the base's weight, where it is known. */
  readonly weight?: number;
}

/** As Markdown. Folders and layers may be named anything, and stand in code spans. */
export function adapterText({ folder, layers, more, notes }: AdapterNorms): string {
  const rows = layers.map(({ path, delta, weight }) => {
    const share = weight === undefined || weight === 0 ? "" : percent((100 * delta) / weight);
    return `| ${cell(path)} | ${scale(delta)} | ${share} |`;
  });
  const table = ["| layer | ‖ΔW‖ | ‖ΔW‖/‖W₀‖ |", "| :--- | ---: | ---: |", ...rows].join("\n");
  const also = more > 0 ? [`… and ${count(more)} more layers.`] : [];
  return [`**Adapter** in ${cell(folder)}`, ...(layers.length > 0 ? [table] : []), [...also, ...notes].join("  \n")]
    .filter((part) => part !== "")
    .join("\n\n");
}

/** In a table a bar ends a cell, in code spans, too. */
function cell(name: string): string {
  return code(name).replaceAll("|", "\\|");
}
