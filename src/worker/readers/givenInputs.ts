import type { DType } from "../formats/dtype";
import { DTYPE_BYTES } from "../formats/dtype";
import { UserError } from "../formats/errors";
import { sizeOf } from "../formats/tensor";
import type { SourcePlace } from "../graph/node";
import type { InputSpec } from "./inputSpec";

/** Example inputs stated by the user, where the code does not give them or leads to wrong ones. */

/** An input by the name of forward's parameter: a tensor, or None. */
export type GivenInput =
  | {
      readonly name: string;
      readonly shape: readonly number[];
      /** "floating": of the model's own precision. Undefined: any dtype that forward accepts. */
      readonly dtype: DType | "floating" | undefined;
    }
  | { readonly name: string; readonly none: true };

export interface GivenInputs {
  readonly inputs: readonly GivenInput[];
  /** In words: "given", "the comment at line 3". */
  readonly from: string;
  /** Their place, in a file. */
  readonly place?: SourcePlace;
}

/** More elements than this are no example to compute with. */
const MAX_ELEMENTS = 2 ** 31;
const MAX_RANK = 16;

const SHAPE = /^[[(]?\s*((?:\d+\s*[,x×]\s*)*\d+)?\s*,?\s*[\])]?\s*(?::\s*(?:torch\.)?(\w+))?$/;
const DTYPES = Object.keys(DTYPE_BYTES) as DType[];

/** How a shape is written, for messages. */
const SHAPE_SYNTAX = "write a shape as 1,3,224,224, or with a dtype as 2,16:int64";

/**
 * The input of a name and its shape as people write it: "1,3,224,224", "2,16:int64", "none". Throws a UserError that
 * tells how to write it.
 */
export function parseInput(name: string, text: string): GivenInput {
  const trimmed = text.trim();
  if (/^none$/i.test(trimmed)) return { name, none: true };
  const wrong = (why: string) => new UserError(`"${trimmed}" is not a shape for input ${name}: ${why}${SHAPE_SYNTAX}`);
  const [, sizes = "", dtype] = SHAPE.exec(trimmed) ?? [undefined];
  if (!SHAPE.test(trimmed) || (sizes === "" && !/^[[(]/.test(trimmed))) throw wrong("");
  if (dtype !== undefined && !DTYPES.includes(dtype as DType)) {
    throw wrong(`${dtype} is not a dtype; use ${DTYPES.join(", ")}; `);
  }
  const shape = sizes === "" ? [] : sizes.split(/[,x×]/).map(Number);
  if (shape.includes(0)) throw wrong("sizes must be above 0; ");
  if (shape.length > MAX_RANK || sizeOf(shape) > MAX_ELEMENTS)
    throw wrong("it has too many elements to compute with; ");
  return { name, shape, dtype: dtype as DType | undefined };
}

/** The dtypes to try for the inputs, the likeliest first: where none is stated, a number of the model's precision. */
export function dtypesToTry(inputs: readonly GivenInput[], precision: DType): readonly ReadonlyMap<string, DType>[] {
  const tensors = inputs.flatMap((input) => ("none" in input ? [] : [input]));
  const open = tensors.filter(({ dtype }) => dtype === undefined);
  const fixed = new Map(
    tensors.flatMap(({ name, dtype }): [string, DType][] =>
      dtype === undefined ? [] : [[name, dtype === "floating" ? precision : dtype]],
    ),
  );
  // Each may be tokens while the others are not; if there are many, all are of one kind.
  const isWhole: boolean[][] =
    open.length <= MAX_MIXED
      ? Array.from({ length: 2 ** open.length }, (_, bits) => open.map((_, i) => ((bits >> i) & 1) === 1))
      : [open.map(() => false), open.map(() => true)];
  return isWhole.map(
    (whole) =>
      new Map([...fixed, ...open.map(({ name }, i): [string, DType] => [name, whole[i] ? "int64" : precision])]),
  );
}

const MAX_MIXED = 4;

/** Those that are tensors, with their dtypes. */
export function specsWith(inputs: readonly GivenInput[], dtypes: ReadonlyMap<string, DType>): InputSpec[] {
  return inputs.flatMap((input) =>
    "none" in input ? [] : [{ name: input.name, shape: input.shape, dtype: dtypes.get(input.name)! }],
  );
}
