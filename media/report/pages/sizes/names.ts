import type { ComparedSize } from "../../../../src/protocol/reports/sizes";

interface Sized {
  readonly name: string | null;
  readonly inFeatures: number;
  readonly outFeatures: number;
}

/** The size of a layer: `768 × 3072`. */
export function shapeText({ inFeatures, outFeatures }: Pick<Sized, "inFeatures" | "outFeatures">): string {
  return `${inFeatures} × ${outFeatures}`;
}

/** The size and where people know it from. */
export function sizeText(size: Sized): string {
  return size.name === null ? shapeText(size) : `${shapeText(size)} · ${size.name}`;
}

/** A different name for each size: short where the numbers alone tell it from the others. */
export function shortNames(sizes: readonly ComparedSize[]): string[] {
  const same = (size: ComparedSize) => sizes.filter((other) => shapeText(other) === shapeText(size)).length;
  return sizes.map((size, index) => {
    if (same(size) === 1) return shapeText(size);
    const text = sizeText(size);
    const earlier = sizes.slice(0, index).some((other) => sizeText(other) === text);
    return earlier ? `${text} (${size.bias ? "with" : "no"} bias)` : text;
  });
}
