import type { Shape } from "./node";

/** Shapes that do not fit. The tracer turns it into a diagnostic on the expression it was evaluating. */
export class ShapeError extends Error {
  override readonly name: string = "ShapeError";
}

/** Dtypes that do not fit; reported like shapes. */
export class DTypeError extends ShapeError {
  override readonly name = "DTypeError";
}

export function shapeText(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}

/** NumPy's broadcasting rule. */
export function broadcast(a: Shape, b: Shape, what = "operands"): Shape {
  const rank = Math.max(a.length, b.length);
  const out: number[] = new Array(rank);
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new ShapeError(
        `${what} of shapes ${shapeText(a)} and ${shapeText(b)} do not broadcast: dimension ${i - rank} is ${x} on the left and ${y} on the right`,
      );
    }
    out[i] = x === 1 ? y : x;
  }
  return out;
}

/** The axis as a non-negative number, as Python counts negative ones from the end. */
export function normalizeAxis(axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
    throw new ShapeError(`dimension ${axis} is out of range for a tensor of ${rank} dimensions`);
  }
  return axis < 0 ? axis + rank : axis;
}

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides: number[] = new Array(shape.length);
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step;
    step *= shape[i]!;
  }
  return strides;
}
