/** Layers that differ in numbers of their paths alone, and which of them are chosen. Knows nothing of VS Code. */

/** What choosing needs to know of a layer. */
export interface GroupedLayer {
  readonly path: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** Scalars of its adapter. */
  readonly lora: number;
}

export interface LayerGroup<L extends GroupedLayer> {
  /** `layers.*.attention.query`; of one layer its path. */
  readonly pattern: string;
  /** In the order of the model. */
  readonly layers: readonly L[];
}

/** `layers.0.attention.query` to `layers.*.attention.query`. */
export function patternOf(path: string): string {
  return path.replace(/(?<=^|\.)\d+(?=\.|$)/g, "*");
}

/** Groups of one pattern and one size, each at the place of its first layer. */
export function groupLayers<L extends GroupedLayer>(layers: readonly L[]): LayerGroup<L>[] {
  const groups = new Map<string, L[]>();
  for (const layer of layers) {
    const key = `${patternOf(layer.path)} ${layer.inFeatures} ${layer.outFeatures}`;
    const group = groups.get(key);
    if (group) group.push(layer);
    else groups.set(key, [layer]);
  }
  return [...groups.values()].map((alike) => ({
    pattern: alike.length === 1 ? alike[0]!.path : patternOf(alike[0]!.path),
    layers: alike,
  }));
}

/** A line of the list: a group, or a single layer, which is within an open group or stands alone. */
export type Row<L extends GroupedLayer> =
  | {
      readonly kind: "group";
      readonly group: LayerGroup<L>;
      readonly open: boolean;
      /** How many of its layers are chosen. */
      readonly chosen: number;
      /** All of them are. */
      readonly checked: boolean;
    }
  | { readonly kind: "layer"; readonly layer: L; readonly within: boolean; readonly checked: boolean };

/** Names a row for as long as the list lives. */
export function keyOf<L extends GroupedLayer>(row: Row<L>): string {
  return row.kind === "layer" ? row.layer.path : `${row.group.layers[0]!.path} and alike`;
}

/** How much is chosen. */
export interface RunningTotal {
  readonly layers: number;
  readonly of: number;
  /** Scalars of the chosen layers' adapters. */
  readonly trainable: number;
}

/** The list's state: which layers are chosen, and which groups are open. */
export class LayerChoice<L extends GroupedLayer> {
  private readonly groups: readonly LayerGroup<L>[];
  private readonly chosen: Set<string>;
  private readonly opened = new Set<LayerGroup<L>>();
  /** Keys of the rows that were checked when the list was last drawn. */
  private shown = new Set<string>();

  constructor(
    private readonly layers: readonly L[],
    chosen: readonly L[],
  ) {
    this.groups = groupLayers(layers);
    this.chosen = new Set(chosen.map(({ path }) => path));
  }

  get selected(): L[] {
    return this.layers.filter(({ path }) => this.chosen.has(path));
  }

  get total(): RunningTotal {
    const { selected } = this;
    return {
      layers: selected.length,
      of: this.layers.length,
      trainable: selected.reduce((sum, { lora }) => sum + lora, 0),
    };
  }

  /** Whether there is a group to open. */
  get isGrouped(): boolean {
    return this.groups.some(({ layers }) => layers.length > 1);
  }

  /** Whether some group is open. */
  get isOpen(): boolean {
    return this.opened.size > 0;
  }

  /** The rows to draw. */
  rows(): Row<L>[] {
    const rows = this.groups.flatMap((group): Row<L>[] => {
      const single = (layer: L, within: boolean): Row<L> => ({
        kind: "layer",
        layer,
        within,
        checked: this.chosen.has(layer.path),
      });
      if (group.layers.length === 1) return [single(group.layers[0]!, false)];
      const chosen = group.layers.filter(({ path }) => this.chosen.has(path)).length;
      const open = this.opened.has(group);
      const head: Row<L> = { kind: "group", group, open, chosen, checked: chosen === group.layers.length };
      return open ? [head, ...group.layers.map((layer) => single(layer, true))] : [head];
    });
    this.shown = new Set(rows.filter(({ checked }) => checked).map(keyOf));
    return rows;
  }

  /**
   * Takes the rows that are checked now; those whose check has changed since they were drawn count. A group stands for
   * all of its layers. False where nothing has changed.
   */
  check(rows: readonly Row<L>[], checked: ReadonlySet<string>): boolean {
    const changed = rows.filter((row) => checked.has(keyOf(row)) !== this.shown.has(keyOf(row)));
    for (const row of changed) {
      const layers = row.kind === "group" ? row.group.layers : [row.layer];
      for (const { path } of layers) {
        if (checked.has(keyOf(row))) this.chosen.add(path);
        else this.chosen.delete(path);
      }
    }
    return changed.length > 0;
  }

  /** Opens a group to its single layers, or closes it. */
  toggle(group: LayerGroup<L>): void {
    if (!this.opened.delete(group)) this.opened.add(group);
  }

  /** Opens all groups, or closes all where one is open. */
  toggleAll(): void {
    if (this.isOpen) this.opened.clear();
    else for (const group of this.groups) if (group.layers.length > 1) this.opened.add(group);
  }
}
