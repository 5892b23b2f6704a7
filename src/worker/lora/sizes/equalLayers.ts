/** A layer's size, and whatever else must be the same for two layers to count as equal. */
interface Sized {
  readonly path: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias: boolean;
}

export interface Equal<T extends Sized> {
  /** Last parts of the layers' names, each once: "query, key, value". */
  readonly name: string;
  /** The first of the layers. */
  readonly first: T;
  readonly paths: readonly string[];
}

/** Names listed before the rest are only counted. */
const LISTED_NAMES = 4;

/**
 * Groups layers of equal size, in the order in which the sizes first occur.
 * @param besides what else must be equal, as text.
 */
export function equalLayers<T extends Sized>(
  layers: readonly T[],
  besides: (layer: T) => string = () => "",
): Equal<T>[] {
  const groups = new Map<string, T[]>();
  for (const layer of layers) {
    const key = [layer.inFeatures, layer.outFeatures, layer.bias, besides(layer)].join(" ");
    const group = groups.get(key);
    if (group) group.push(layer);
    else groups.set(key, [layer]);
  }
  return [...groups.values()].map((group) => ({
    name: nameOf(group.map(({ path }) => path)),
    first: group[0]!,
    paths: group.map(({ path }) => path),
  }));
}

function nameOf(paths: readonly string[]): string {
  const names = [...new Set(paths.map(lastName))];
  const rest = names.length - LISTED_NAMES;
  return [...names.slice(0, LISTED_NAMES), ...(rest > 0 ? [`${rest} more`] : [])].join(", ");
}

/** The last part of a path, with the part before it where the last is only a position: `feed_forward.0`. */
function lastName(path: string): string {
  const parts = path.split(".");
  const last = parts.findLastIndex((part) => !/^\d+$/.test(part));
  return parts.slice(Math.max(last, 0)).join(".");
}
