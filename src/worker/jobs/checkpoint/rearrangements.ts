import { UserError } from "../../formats/errors";
import {
  axisOf,
  chunked,
  concatenated,
  RearrangeError,
  reshaped,
  sliced,
  stacked,
  transposed,
} from "../../formats/rearrange";
import type { StoredTensor } from "../../formats/tensor";
import { sameShape } from "../../graph/shapes";
import type { KeyConversion, Rearrangement } from "../../readers/keyConversion";

/**
 * The operations by which transformers makes a model's tensors of a checkpoint's, and a checkpoint's of a model's:
 * `ConversionOps` of its `core_model_loading.py`. Each takes the tensors gathered under the conversion's source patterns
 * and gives tensors under its targets, or under the sources again where another operation follows.
 */

type Tensors = ReadonlyMap<string, readonly StoredTensor[]>;

interface Context {
  readonly sources: readonly string[];
  readonly targets: readonly string[];
  readonly step: Rearrangement;
  /** The shape that the whole conversion must produce. */
  readonly expected: readonly number[] | undefined;
}

type Operation = (tensors: Tensors, context: Context) => Tensors;

const number = ({ step }: Context, field: string, otherwise = 0): number => {
  const value = step.fields[field];
  return typeof value === "number" ? value : otherwise;
};

/** The single tensor that is there. */
function only(tensors: Tensors, { step }: Context): readonly [string, StoredTensor] {
  const [entry] = tensors;
  if (!entry || tensors.size > 1 || entry[1].length !== 1)
    throw new RearrangeError(`${step.name} takes one tensor, not ${[...tensors.values()].flat().length}`);
  return [entry[0], entry[1][0]!];
}

function single(target: string, tensor: StoredTensor): Tensors {
  return new Map([[target, [tensor]]]);
}

function numbered(pattern: string, tensors: readonly StoredTensor[]): [string, readonly StoredTensor[]][] {
  return tensors.map((tensor, i) => [pattern.replace("*", String(i)), [tensor]]);
}

/** Under the one target, or the source where there are several and another operation follows. */
function resultName(context: Context, source: string): string {
  return context.targets.length === 1 ? context.targets[0]! : source;
}

const squeezed = (tensor: StoredTensor): StoredTensor =>
  reshaped(
    tensor,
    tensor.shape.filter((d) => d !== 1),
  );

const chunk: Operation = (tensors, context) => {
  const [, tensor] = only(tensors, context);
  const { parts } = context.step;
  const dim = number(context, "dim");
  // The configuration is not trusted: no tensor has more parts than elements.
  const most = tensor.shape[axisOf(tensor.shape, dim)]!;
  if (parts !== undefined && !(Number.isInteger(parts) && parts >= 1 && parts <= most))
    throw new RearrangeError(`[${tensor.shape.join(", ")}] cannot be split into ${parts} parts along dimension ${dim}`);
  const targets =
    parts === undefined
      ? context.targets
      : Array.from({ length: parts }, (_, i) => context.targets[0]!.replace("*", String(i)));
  const chunks = chunked(tensor, targets.length, dim);
  if (chunks.length !== targets.length)
    throw new RearrangeError(`[${tensor.shape.join(", ")}] cannot be split into ${targets.length} parts`);
  return new Map(chunks.map((part, i) => [targets[i]!, [part]]));
};

const concatenate: Operation = (tensors, context) =>
  single(
    context.targets[0]!,
    concatenated(
      context.sources.flatMap((source) => tensors.get(source) ?? []),
      number(context, "dim"),
    ),
  );

const mergeModules: Operation = (tensors, context) =>
  new Map(
    [...tensors].map(([source, list]) => [
      tensors.size === 1 ? resultName(context, source) : source,
      [stacked(list, number(context, "dim"))],
    ]),
  );

const splitModules: Operation = (tensors, context) => {
  const dim = number(context, "dim");
  return new Map(
    [...tensors].flatMap(([source, [tensor]]) => {
      const pattern = tensors.size === 1 ? resultName(context, source) : source;
      const length = tensor!.shape.at(dim) ?? 0;
      return numbered(
        pattern,
        Array.from({ length }, (_, i) => squeezed(sliced(tensor!, dim, i, 1))),
      );
    }),
  );
};

const transpose: Operation = (tensors, context) => {
  const [source, tensor] = only(tensors, context);
  const asItIs = context.step.fields.check_dims === true && sameShape(tensor.shape, context.expected ?? []);
  return single(
    resultName(context, source),
    asItIs ? tensor : transposed(tensor, number(context, "dim0"), number(context, "dim1", 1)),
  );
};

const interleave: Operation = (tensors, context) => {
  const [, tensor] = only(tensors, context);
  const { shape } = tensor;
  const dim = number(context, "dim");
  const axis = dim < 0 ? shape.length + dim : dim;
  const half = shape[axis]! / 2;
  const pair = context.step.fields.inverse === true ? [2, half] : [half, 2];
  const split = reshaped(tensor, [...shape.slice(0, axis), ...pair, ...shape.slice(axis + 1)]);
  return single(context.targets[0]!, reshaped(transposed(split, axis, axis + 1), shape));
};

/** Rotary embeddings of complex numbers as of sines beside cosines, in the projections that are named. */
const permuteForRope: Operation = (tensors, { step }) => {
  const names = step.fields.permute_layer_names;
  const heads = step.heads ?? 1;
  return new Map(
    [...tensors].map(([key, list]): [string, readonly StoredTensor[]] => {
      if (!Array.isArray(names) || !names.some((name) => key.includes(String(name)))) return [key, list];
      return [key, list.map((tensor) => rotated(tensor, heads, step.fields.inverse === true))];
    }),
  );
};

function rotated(tensor: StoredTensor, heads: number, inverse: boolean): StoredTensor {
  const { shape } = tensor;
  if (shape.length > 2) return tensor;
  const half = Math.floor(shape[0]! / heads / 2);
  const parts = inverse ? [2, half] : [half, 2];
  return reshaped(transposed(reshaped(tensor, [heads, ...parts, ...shape.slice(1)]), 1, 2), shape);
}

const flattenConv3d: Operation = (tensors, context) => {
  const [source, tensor] = only(tensors, context);
  const [out, ...more] = tensor.shape;
  return single(resultName(context, source), reshaped(tensor, [out!, more.reduce((a, b) => a * b, 1)]));
};

const unflattenConv3d: Operation = (tensors, context) => {
  const [source, tensor] = only(tensors, context);
  const kernel = context.step.fields.kernel_size;
  if (!Array.isArray(kernel)) throw new RearrangeError("LinearToConv3d does not give a kernel size");
  const shape = [tensor.shape[0]!, number(context, "in_channels"), ...kernel.map(Number)];
  return single(resultName(context, source), reshaped(tensor, shape));
};

/** Experts of text and of images in one list: each source's list in as many parts as there are targets. */
const fuseExperts: Operation = (tensors, context) => {
  const count = context.targets.length;
  const groups: StoredTensor[][] = context.targets.map(() => []);
  for (const source of context.sources) {
    const list = tensors.get(source) ?? [];
    const size = Math.ceil(list.length / count);
    groups.forEach((group, i) => {
      group.push(stacked(list.slice(i * size, (i + 1) * size), number(context, "stack_dim")));
    });
  }
  return new Map(
    context.targets.map((target, i) => [target, [concatenated(groups[i]!, number(context, "concat_dim", 1))]]),
  );
};

const splitExperts: Operation = (tensors, context) => {
  const stack = number(context, "stack_dim");
  const halves = context.sources.map((source) =>
    chunked(tensors.get(source)![0]!, context.targets.length, number(context, "concat_dim", 1)),
  );
  return new Map(
    context.targets.flatMap((target, i) =>
      numbered(
        target,
        halves.flatMap((parts) => {
          const part = parts[i]!;
          const shape = part.shape.filter((_, d) => d !== stack);
          return Array.from({ length: part.shape[stack]! }, (_, n) => reshaped(sliced(part, stack, n, 1), shape));
        }),
      ),
    ),
  );
};

const OPERATIONS: Readonly<Record<string, Operation>> = {
  Chunk: chunk,
  Concatenate: concatenate,
  Interleave: interleave,
  MergeModulelist: mergeModules,
  SplitModulelist: splitModules,
  Transpose: transpose,
  PermuteForRope: permuteForRope,
  Conv3dToLinear: flattenConv3d,
  LinearToConv3d: unflattenConv3d,
  ErnieFuseAndSplitTextVisionExperts: fuseExperts,
  ErnieSplitAndDecoupleTextVisionExperts: splitExperts,
};

/**
 * Applies a conversion to the tensors gathered under its source patterns; results by full name. `name` is the first
 * result's, `expected` its shape.
 * @throws UserError when an operation is not known, or the tensors do not fit it.
 */
export function rearranged(
  { sources, targets, steps }: KeyConversion,
  gathered: Tensors,
  name: string,
  expected: readonly number[] | undefined,
): Map<string, StoredTensor> {
  let tensors = gathered;
  for (const step of steps) {
    const operation = Object.hasOwn(OPERATIONS, step.name) ? OPERATIONS[step.name] : undefined;
    if (!operation) {
      throw new UserError(
        `${name}: transformers converts it from the checkpoint with "${step.name}", which LoRA Lens does not know`,
      );
    }
    try {
      tensors = operation(tensors, { sources, targets, step, expected });
    } catch (error) {
      if (!(error instanceof RearrangeError)) throw error;
      throw new UserError(`${name} cannot be converted from the checkpoint as in transformers: ${error.message}`);
    }
  }
  // Results have the names of patterns, which are parts of the full names.
  const full = name.replace("*.", "0.");
  const known = [...tensors.keys()].find((key) => full.includes(key));
  const [before, after] =
    known === undefined
      ? ["", ""]
      : [full.slice(0, full.indexOf(known)), full.slice(full.indexOf(known) + known.length)];
  return new Map([...tensors].map(([key, [tensor]]) => [before + key + after, tensor!]));
}
