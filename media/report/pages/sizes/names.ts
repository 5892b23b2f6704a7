/** The size of a layer: `768 × 3,072`. */
export function shapeText(size: { readonly inFeatures: number; readonly outFeatures: number }): string {
  return `${size.inFeatures} × ${size.outFeatures}`;
}

/** One line for people: the size and where they know it from. */
export function sizeText(size: {
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly name: string | null;
}): string {
  return size.name === null ? shapeText(size) : `${shapeText(size)} · ${size.name}`;
}
