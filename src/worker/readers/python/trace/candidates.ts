import { type DType, isFloating } from "../../../formats/dtype";
import type { InputSpec } from "../../inputSpec";
import { constructedWith } from "../evaluate/run/classes";
import type { Definition } from "../evaluate/scope";
import { modulesOf } from "../models/tree";
import { expressionsOf, walkExpr, walkStatements } from "../syntax/walk";
import { findMember } from "../values/members";
import { PyDict, PyFunction, PyList, PyObject, type PyTensor, PyTuple, type Value } from "../values/values";

/** Candidates for an input of `forward`, from what the code says about it and what its layers take. */

/** Sizes tried where any would do: small, and different from each other so that a mix-up shows. */
export const BATCH = 2;
export const SEQUENCE = 16;
export interface Candidate {
  readonly spec: Omit<InputSpec, "name">;
  readonly from: string;
}

/** Sides of images and lengths of signals that models are usually made for. */
const SIDES = [32, 28, 64, 224, 256];

function spatialSizes(convolution: PyObject): number[][] {
  const rank = (convolution.module?.parameters.get("weight")?.shape.length ?? 4) - 2;
  if (rank === 1) return [[SEQUENCE], [64]];
  return rank === 3 ? [[SEQUENCE, SEQUENCE, SEQUENCE]] : SIDES.map((side) => [side, side]);
}

/**
 * The precision of a model that has only one; with mixed precisions the inputs are float32, and forward converts them.
 */
export function precisionOf(root: PyObject): DType {
  const precisions = [...modulesOf(root)].flatMap(([, { module }]) =>
    [...(module?.parameters.values() ?? [])].flatMap((p) => (p && isFloating(p.dtype) ? [p.dtype] : [])),
  );
  const [own] = precisions;
  if (precisions.includes("float64")) return "float64";
  return own !== undefined && precisions.every((p) => p === own) ? own : "float32";
}

/**
 * Candidates, likeliest first: the shape that `forward` reshapes its input to, sizes given to the constructor, then
 * each layer in the order of definition.
 * @param inputs names of the tensors that `forward` requires.
 */
export function candidatesOf(root: PyObject, inputs: readonly string[]): Candidate[] {
  const lengths = sequenceLengths(root);
  const found = new Map<string, Candidate>();
  const precision = precisionOf(root);
  const add = (from: string, given: Candidate["spec"]): void => {
    const spec = given.dtype === "float32" ? { ...given, dtype: precision } : given;
    const key = `${spec.dtype} ${spec.shape.join()}`;
    if (!found.has(key)) found.set(key, { spec, from });
  };
  for (const shape of reshapedTo(root, inputs))
    add("the shape that forward reshapes it to", { shape, dtype: "float32" });
  const stated = statedImages(root);
  const addStated = (): void => {
    for (const shape of stated.shapes) add("the image size given to the constructor", { shape, dtype: "float32" });
  };
  if (!stated.doubtful) addStated();
  let flattened = false;
  for (const [path, module] of modulesOf(root)) {
    const options = module.module?.options ?? {};
    const name = path || module.type.name;
    const { num_embeddings: vocabulary, in_features: features, normalized_shape: normalized } = options;
    const { in_channels: channels, input_size: steps } = options;
    if (typeof vocabulary === "number") {
      for (const length of lengths) add(name, { shape: [BATCH, length], dtype: "int64", below: vocabulary });
      add(name, { shape: [BATCH], dtype: "int64", below: vocabulary });
    } else if (typeof channels === "number") {
      for (const spatial of spatialSizes(module)) add(name, { shape: [BATCH, channels, ...spatial], dtype: "float32" });
    } else if (typeof steps === "number") {
      // One step of a cell; a whole sequence of numbers is taken apart by the code around it.
      if (/Cell$/.test(module.type.name))
        add(name, { shape: [BATCH, steps === 1 ? SEQUENCE : steps], dtype: "float32" });
      else for (const length of [...lengths, steps]) add(name, { shape: [BATCH, length, steps], dtype: "float32" });
    } else if (typeof features === "number") {
      add(name, { shape: [BATCH, features], dtype: "float32" });
      for (const length of lengths) add(name, { shape: [BATCH, length, features], dtype: "float32" });
      if (!flattened) for (const shape of flattenedImages(features)) add(name, { shape, dtype: "float32" });
      flattened = true;
    } else if (normalized !== undefined) {
      const dims = normalized instanceof PyTuple || normalized instanceof PyList ? normalized.items : [normalized];
      if (!dims.every((d) => typeof d === "number")) continue;
      add(name, { shape: [BATCH, ...(dims as number[])], dtype: "float32" });
      for (const length of lengths) add(name, { shape: [BATCH, length, ...(dims as number[])], dtype: "float32" });
    }
  }
  for (const [path, module] of modulesOf(root)) {
    if (module.type.builtin) continue;
    const { parameters, buffers } = module.module ?? { parameters: new Map(), buffers: new Map() };
    const own: [string, PyTensor | null][] = [
      ...parameters,
      ...[...buffers].map(([n, b]): [string, PyTensor | null] => [n, b.tensor]),
    ];
    for (const [name, tensor] of own) {
      const [length, width] = tensor?.shape.slice(-2) ?? [];
      if (tensor?.dtype !== "float32" || length === undefined) continue;
      const from = path ? `${path}.${name}` : name;
      // A scale or shift has only the features; a table of positions has the positions before them.
      if (width === undefined) add(from, { shape: [BATCH, length], dtype: "float32" });
      else {
        add(from, { shape: [BATCH, Math.min(SEQUENCE, length), width], dtype: "float32" });
        // A matrix of its own is multiplied from the right, or as F.linear does.
        for (const features of [length, width]) add(from, { shape: [BATCH, features], dtype: "float32" });
      }
    }
  }
  if (stated.doubtful) addStated();
  for (const shape of usualImages(root)) add("common image sizes", { shape, dtype: "float32" });
  // Only activations and the like: any shape works.
  add("the layers, which take any shape", { shape: [BATCH, SEQUENCE], dtype: "float32" });
  return [...found.values()];
}

const LENGTH_NAMES =
  /^(block_size|context_length|max_len(gth)?|max_seq_len(gth)?|seq_len(gth)?|n_ctx|n_positions|context_size|window_size|num_patches|n_tokens)$/i;

/** How many positions a sequence may have: not more than a positional table or a stated block size holds. */
function sequenceLengths(root: PyObject): number[] {
  const limits: number[] = [];
  const tables: number[] = [];
  for (const [, object] of modulesOf(root)) {
    const table = object.module?.options.num_embeddings;
    if (typeof table === "number") tables.push(table);
    for (const [name, value] of object.attributes) {
      if (typeof value === "number" && LENGTH_NAMES.test(name)) limits.push(value);
    }
  }
  limits.push(...tables.slice(1), ...maskSizes(root));
  const least = Math.min(...limits.filter((n) => n > 0));
  const lengths = [Math.min(SEQUENCE, least)];
  // Some models take sequences of exactly their block size.
  if (Number.isFinite(least)) lengths.push(least);
  lengths.push(...addedLengths(root));
  return [...new Set(lengths)];
}

/** A square buffer, `[T, T]` or `[1, 1, T, T]`, is a causal mask over T positions. */
function maskSizes(root: PyObject): number[] {
  return [...modulesOf(root)].flatMap(([, object]) =>
    [...(object.module?.buffers.values() ?? [])].flatMap(({ tensor }) => {
      const [rows, columns] = tensor?.shape.slice(-2) ?? [];
      return rows !== undefined && rows === columns && rows > 1 ? [rows] : [];
    }),
  );
}

/** A parameter `[1, T, width]` of the file's own classes is added to a sequence of T positions. */
function addedLengths(root: PyObject): number[] {
  return [...modulesOf(root)].flatMap(([, object]) =>
    object.type.builtin
      ? []
      : [...(object.module?.parameters.values() ?? [])].flatMap((parameter) => {
          const [batch, length] = parameter?.shape.length === 3 ? parameter.shape : [];
          return batch === 1 && length !== undefined && length > 1 ? [length] : [];
        }),
  );
}

/** `x.view(-1, 28, 28)` on an input as it was given: the shape it has, or one of as many elements. */
function reshapedTo(root: PyObject, inputs: readonly string[]): number[][] {
  const forward = findMember(root.type, "forward");
  if (!(forward instanceof PyFunction)) return [];
  const { node } = forward.definition as Definition;
  if (node.kind !== "Function") return [];
  const shapes: number[][] = [];
  const changed = new Set<string>();
  walkStatements(node.body, (statement) => {
    for (const expr of expressionsOf(statement)) {
      walkExpr(expr, (e) => {
        if (e.kind !== "Call" || e.callee.kind !== "Attribute" || !/^(view|reshape)$/.test(e.callee.name)) return;
        const { object } = e.callee;
        if (object.kind !== "Name" || !inputs.includes(object.id) || changed.has(object.id)) return;
        const [first, ...rest] = e.args.map(({ value }) => value);
        const sizes = rest.map((size) => (size.kind === "Constant" && typeof size.value === "number" ? size.value : 0));
        const isBatch =
          first?.kind === "Unary" || first?.kind === "Call" || first?.kind === "Subscript" || first?.kind === "Name";
        if (isBatch && sizes.length > 0 && sizes.every((size) => size > 0)) shapes.push([BATCH, ...sizes]);
      });
    }
    if (statement.kind === "Assign") {
      for (const target of statement.targets) if (target.kind === "Name") changed.add(target.id);
    }
  });
  return shapes;
}

const IMAGE_NAMES = /^(image|img|input)_?(size|resolution|res|shape)$|^resolution$/i;
const CHANNEL_NAMES = /^(n_|num_|in_|img_|image_|input_)?(channels|chans|channel)$/i;
const FRAME_NAMES = /^(n_|num_)?frames$/i;
const SIGNAL_NAMES = /^(seq_len|seq_length|sequence_length|signal_length)$/i;

/** Integers and pairs given to constructors, including a configuration's fields. */
function* statedSizes(root: PyObject): Generator<[string, number | readonly number[]]> {
  for (const [, module] of modulesOf(root)) {
    for (const [name, value] of constructedWith(module)) yield* sizesIn(name, value, 0);
  }
}

function* sizesIn(name: string, value: Value, depth: number): Generator<[string, number | readonly number[]]> {
  if (typeof value === "number") yield [name, value];
  else if (value instanceof PyTuple || value instanceof PyList) {
    const { items } = value;
    if (items.length > 0 && items.length < 4 && items.every((v) => typeof v === "number"))
      yield [name, items as number[]];
  } else if (depth > 0) return;
  else if (value instanceof PyDict) {
    for (const { key, value: entry } of value.entries.values()) {
      if (typeof key === "string") yield* sizesIn(key, entry, 1);
    }
  } else if (value instanceof PyObject && !value.module) {
    for (const [key, entry] of value.attributes) yield* sizesIn(key, entry, 1);
  }
}

/**
 * Images, videos or signals of the size that a constructor was told. `doubtful`: where no convolution sees them, a layer
 * takes just so many features, channels or words, as in `nn.Linear(input_size, 256)`: then the size is most likely that.
 */
function statedImages(root: PyObject): { readonly shapes: readonly number[][]; readonly doubtful: boolean } {
  const stated = [...statedSizes(root)];
  const first = (names: RegExp) => stated.find(([name]) => names.test(name))?.[1];
  const image = first(IMAGE_NAMES);
  const given = first(CHANNEL_NAMES);
  if (image === undefined) {
    const length = first(SIGNAL_NAMES);
    const signals = typeof length === "number" && typeof given === "number" ? [[BATCH, given, length]] : [];
    return { shapes: signals, doubtful: false };
  }
  if (typeof image !== "number" && image.length === 3) return { shapes: [[BATCH, ...image]], doubtful: false };
  const sides = typeof image === "number" ? [image, image] : image;
  // A pair of sides that is a list of one is the size of a row.
  if (sides.length === 1) return { shapes: [[BATCH, ...sides]], doubtful: false };
  const frames = first(FRAME_NAMES);
  const doubtful = typeof image === "number" && !seesImages(root) && takesAsMany(root, image);
  const channels = typeof given === "number" ? [given] : [...firstChannels(root), 3, 1];
  const stills = [...channels.map((n) => [BATCH, n, ...sides]), ...(given === undefined ? [[BATCH, ...sides]] : [])];
  if (typeof frames !== "number") return { shapes: stills, doubtful };
  const videos = channels.flatMap((n) => [
    [BATCH, n, frames, ...sides],
    [BATCH, frames, n, ...sides],
  ]);
  return { shapes: [...videos, ...stills], doubtful };
}

/** It has convolutions over two dimensions or more. */
function seesImages(root: PyObject): boolean {
  return convolutions(root).some(({ rank }) => rank >= 4);
}

/** The channels that the first such convolution takes. */
function firstChannels(root: PyObject): number[] {
  return convolutions(root)
    .filter(({ rank }) => rank >= 4)
    .slice(0, 1)
    .map(({ channels }) => channels);
}

function convolutions(root: PyObject): { readonly channels: number; readonly rank: number }[] {
  return [...modulesOf(root)].flatMap(([, { module }]) => {
    const channels = module?.options.in_channels;
    const rank = module?.parameters.get("weight")?.shape.length;
    return typeof channels === "number" && rank !== undefined ? [{ channels, rank }] : [];
  });
}

/** Some tensor of the state dict has a dimension of that size. */
function takesAsMany(root: PyObject, size: number): boolean {
  return [...modulesOf(root)].some(([, { module }]) =>
    [...(module?.parameters.values() ?? [])].some((tensor) => tensor?.shape.includes(size)),
  );
}

/** Images of so many numbers, gray or colored, for a forward that takes their four dimensions apart and flattens them. */
function flattenedImages(features: number): number[][] {
  return [1, 3].flatMap((channels) => {
    const side = Math.sqrt(features / channels);
    return Number.isInteger(side) && side >= SMALLEST_SIDE ? [[BATCH, channels, side, side]] : [];
  });
}

const SMALLEST_SIDE = 4;

/** Where a convolution is not the first to see the image: it is cut into patches or normalized before. */
function usualImages(root: PyObject): number[][] {
  const isImageModel = convolutions(root).some(({ rank }) => rank === 4);
  return isImageModel
    ? [
        [BATCH, 3, 224, 224],
        [BATCH, 3, 256, 256],
        [BATCH, 1, 28, 28],
      ]
    : [];
}
