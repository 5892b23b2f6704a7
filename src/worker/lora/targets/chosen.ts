import { type Model, walkModules } from "../../readers/model";
import type { GivenConfig } from "../config/config";

/** The configuration for exactly the layers that the user selected. */
export function withLayers(model: Pick<Model, "root">, config: GivenConfig, layers: readonly string[]): GivenConfig {
  return { ...config, target_modules: targetModules(model, layers), exclude_modules: null };
}

/**
 * Target modules that match the given layers and no other module of the model: names where they suffice, else a
 * regular expression for the whole path. PEFT matches a list by path suffix, so `fc` would take `block.fc` with it.
 */
export function targetModules(model: Pick<Model, "root">, layers: readonly string[]): readonly string[] | string {
  const all = [...walkModules(model.root)].map((module) => module.path);
  const wanted = new Set(layers);
  const last = (path: string) => path.slice(path.lastIndexOf(".") + 1);
  const ambiguous = new Set(all.filter((path) => !wanted.has(path)).map(last));
  const names = new Set(layers.map((path) => (ambiguous.has(last(path)) ? path : last(path))));
  // A path is matched by itself and by each of its ends that begins after a dot.
  const isMatched = (path: string): boolean =>
    names.has(path) || [...path.matchAll(/\./g)].some(({ index }) => names.has(path.slice(index + 1)));
  if (all.every((path) => isMatched(path) === wanted.has(path))) return [...names];
  return layers.map((path) => path.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("|");
}
