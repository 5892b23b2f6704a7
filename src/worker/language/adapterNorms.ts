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

/** As Markdown; one layer takes a line. Folders and layers may be named anything, and stand in code spans. */
export function adapterText({ folder, layers, more, notes }: AdapterNorms): string {
  const also = more > 0 ? [`… and ${count(more)} more layers.`] : [];
  const rest = [...also, ...notes].join("  \n");
  const [only, ...others] = layers;
  if (!only || others.length === 0) {
    const norms = only ? ` · ‖ΔW‖ ${scale(only.delta)}${share(only) && ` · ‖ΔW‖/‖W₀‖ ${share(only)}`}` : "";
    return [`**Adapter** in ${code(folder)}${norms}`, rest].filter((part) => part !== "").join("  \n");
  }
  const rows = layers.map((layer) => `| ${cell(layer.path)} | ${scale(layer.delta)} | ${share(layer)} |`);
  const table = ["| layer | ‖ΔW‖ | ‖ΔW‖/‖W₀‖ |", "| :--- | ---: | ---: |", ...rows].join("\n");
  return [`**Adapter** in ${code(folder)}`, table, rest].filter((part) => part !== "").join("\n\n");
}

/** Nothing where the base's norm is not known, or zero. */
function share({ delta, weight }: LayerNorm): string {
  return weight === undefined || weight === 0 ? "" : percent((100 * delta) / weight);
}

/** In a table a bar ends a cell, in code spans, too. */
function cell(name: string): string {
  return code(name).replaceAll("|", "\\|");
}
