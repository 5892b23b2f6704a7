import { sliceBounds } from "../../evaluate/objects/subscripts";
import type { Evaluator } from "../../values/evaluator";
import { native } from "../../values/native";
import { typeName } from "../../values/types";
import { EvaluationError, Unknown } from "../../values/unknown";
import { PyEllipsis, PyError, PyList, PySlice, PyTuple, type Value } from "../../values/values";
import { ARRAY, allot, arrayOf, PyArray, toArray, unwrapped } from "./array";
import { broadcastShape, spread, write } from "./elementwise";

/** `array[key]`: windows for whole numbers, slices and None; copies for arrays of positions and masks. */

type Part = number | null | PySlice | PyArray;

/** The key's parts, one an axis besides None: the ellipsis and what is left out are whole slices. */
function partsOf(ev: Evaluator, array: PyArray, key: Value): Part[] {
  const given = key instanceof PyTuple ? key.items : [key];
  const parts: (Part | PyEllipsis)[] = given.map((part) => {
    if (part === null || part instanceof PySlice || part instanceof PyEllipsis || part instanceof PyArray) return part;
    if (typeof part === "number") return part;
    if (part instanceof PyList || typeof part === "boolean") return toArray(ev, part);
    throw new PyError(
      "IndexError",
      `only integers, slices (\`:\`), ellipsis (\`...\`), numpy.newaxis (\`None\`) and integer or boolean arrays are valid indices, not ${typeName(part)}`,
    );
  });
  const axes = (part: Part | PyEllipsis): number =>
    part === null || part instanceof PyEllipsis
      ? 0
      : part instanceof PyArray && part.dtype === "bool"
        ? part.shape.length
        : 1;
  const taken = parts.reduce<number>((n, part) => n + axes(part), 0);
  const { length: rank } = array.shape;
  if (taken > rank) {
    throw new PyError(
      "IndexError",
      `too many indices for array: array is ${rank}-dimensional, but ${taken} were indexed`,
    );
  }
  const rest = Array.from({ length: rank - taken }, () => new PySlice(null, null, null));
  const at = parts.findIndex((part) => part instanceof PyEllipsis);
  const filled = at < 0 ? [...parts, ...rest] : [...parts.slice(0, at), ...rest, ...parts.slice(at + 1)];
  return filled.flatMap((part): Part[] => {
    if (part instanceof PyEllipsis) throw new PyError("IndexError", "an index can only have a single ellipsis ('...')");
    return part instanceof PyArray && part.dtype === "bool" ? trueIndices(ev, part) : [part];
  });
}

/** Of a mask, the positions where it holds: one array an axis. */
export function trueIndices(ev: Evaluator, mask: PyArray): PyArray[] {
  const flat = Array.from(mask.values()).flatMap((value, i) => (value === 0 ? [] : [i]));
  let step = mask.size;
  return mask.shape.map((length) => {
    step /= length;
    return arrayOf(
      ev,
      flat.map((i) => Math.floor(i / step) % length),
      [flat.length],
      "int64",
    );
  });
}

function position(index: number, length: number, axis: number): number {
  if (index < -length || index >= length) {
    throw new PyError("IndexError", `index ${index} is out of bounds for axis ${axis} with size ${length}`);
  }
  return index < 0 ? index + length : index;
}

/** The window of a key without arrays. */
function view(array: PyArray, parts: readonly Exclude<Part, PyArray>[]): PyArray {
  const shape: number[] = [];
  const strides: number[] = [];
  let { offset } = array;
  let axis = 0;
  for (const part of parts) {
    if (part === null) {
      shape.push(1);
      strides.push(0);
      continue;
    }
    const [length, stride] = [array.shape[axis]!, array.strides[axis]!];
    if (typeof part === "number") offset += position(part, length, axis) * stride;
    else {
      const bounds = sliceBounds(part, length);
      if (bounds instanceof Unknown) throw new EvaluationError(`a slice is unknown: ${bounds.reason}`);
      offset += bounds.start * stride;
      shape.push(Math.max(0, Math.ceil((bounds.stop - bounds.start) / bounds.step)));
      strides.push(stride * bounds.step);
    }
    axis++;
  }
  return array.window(shape, strides, offset);
}

/** Where in memory the elements lie that a key with arrays picks, and the shape they have. */
function picked(ev: Evaluator, array: PyArray, parts: readonly Part[]): { shape: number[]; at: number[] } {
  // Beside an array a whole number is one, too.
  const isPicking = (part: Part): part is number | PyArray => typeof part === "number" || part instanceof PyArray;
  const first = parts.findIndex(isPicking);
  const last = parts.length - 1 - [...parts].reverse().findIndex(isPicking);
  const adjacent = parts.slice(first, last + 1).every(isPicking);
  const rest = view(
    array,
    parts.map((part) => (isPicking(part) ? new PySlice(null, null, null) : part)),
  );
  const places = parts.flatMap((part, i) => (isPicking(part) ? [i] : []));
  const indices = places.map((i) => toArray(ev, parts[i] as number | PyArray));
  const common = broadcastShape(indices.map((each) => each.shape));
  const offsets = new Array<number>(common.reduce((n, d) => n * d, 1)).fill(0);
  indices.forEach((each, n) => {
    const axis = places[n]!;
    spread(each, common)
      .values()
      .forEach((index, i) => {
        offsets[i]! += position(index, rest.shape[axis]!, axis) * rest.strides[axis]!;
      });
  });
  const kept = rest.shape.flatMap((_, axis) => (places.includes(axis) ? [] : [axis]));
  const before = adjacent ? kept.filter((axis) => axis < first) : [];
  const after = adjacent ? kept.filter((axis) => axis > first) : kept;
  const along = (axes: readonly number[], offset: number): PyArray =>
    rest.window(
      axes.map((axis) => rest.shape[axis]!),
      axes.map((axis) => rest.strides[axis]!),
      offset,
    );
  const [outer, inner] = [along(before, rest.offset), along(after, 0)];
  const shape = [...outer.shape, ...common, ...inner.shape];
  allot(
    ev,
    shape.reduce((n, d) => n * d, 1),
  );
  const inside = inner.positions();
  const at = outer.positions().flatMap((o) => offsets.flatMap((p) => inside.map((i) => o + p + i)));
  return { shape, at };
}

function hasArrays(parts: readonly Part[]): boolean {
  return parts.some((part) => part instanceof PyArray);
}

function withoutArrays(parts: readonly Part[]): Exclude<Part, PyArray>[] {
  return parts.filter((part): part is Exclude<Part, PyArray> => !(part instanceof PyArray));
}

export function indexArray(ev: Evaluator, array: PyArray, key: Value): Value {
  const parts = partsOf(ev, array, key);
  if (!hasArrays(parts)) return unwrapped(view(array, withoutArrays(parts)));
  const { shape, at } = picked(ev, array, parts);
  return unwrapped(
    arrayOf(
      ev,
      at.map((i) => array.memory[i]!),
      shape,
      array.dtype,
    ),
  );
}

function assign(ev: Evaluator, array: PyArray, key: Value, value: Value): void {
  const parts = partsOf(ev, array, key);
  const source = toArray(ev, value);
  if (!hasArrays(parts)) {
    write(ev, view(array, withoutArrays(parts)), source);
    return;
  }
  const { shape, at } = picked(ev, array, parts);
  const target = arrayOf(
    ev,
    at.map(() => 0),
    shape,
    array.dtype,
  );
  write(ev, target, source);
  for (const [i, place] of at.entries()) array.memory[place] = target.memory[i]!;
}

for (const method of [
  native("__getitem__", "self, key, /", ({ self, key }, ev) => indexArray(ev, self as PyArray, key!)),
  native("__setitem__", "self, key, value, /", ({ self, key, value }, ev) => {
    assign(ev, self as PyArray, key!, value!);
    return null;
  }),
  native("__len__", "self", ({ self }) => {
    const [length] = (self as PyArray).shape;
    if (length === undefined) throw new PyError("TypeError", "len() of unsized object");
    return length;
  }),
  native("__iter__", "self", ({ self }, ev) => {
    const array = self as PyArray;
    if (array.shape.length === 0) throw new PyError("TypeError", "iteration over a 0-d array");
    return new PyList(Array.from({ length: array.shape[0]! }, (_, i) => indexArray(ev, array, i)));
  }),
  native("__contains__", "self, value, /", ({ self, value }, ev) => {
    const wanted = toArray(ev, value!).memory[0];
    return (self as PyArray).values().some((each) => each === wanted);
  }),
]) {
  ARRAY.members.set(method.name, method);
}
