import { convert } from "../convert";
import { DTYPE_BYTES, type DType } from "../dtype";
import { UserError } from "../errors";
import { allocate, bytesOf, sizeOf, type Tensor, tensorFromBytes } from "../tensor";

/**
 * NumPy's array file: magic, version, header length, a Python dictionary literal with dtype, order and shape, then the
 * values (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
 */

const MAGIC = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59); // \x93NUMPY

/** NumPy itself refuses headers above 10,000 characters unless told otherwise. */
const MAX_HEADER_BYTES = 10_000;

/** Model inputs and outputs are small; weights do not come as .npy. */
export const MAX_ARRAY_BYTES = 2 ** 31;

const DTYPES: Readonly<Record<string, DType>> = {
  f8: "float64",
  f4: "float32",
  f2: "float16",
  i8: "int64",
  i4: "int32",
  i2: "int16",
  i1: "int8",
  u1: "uint8",
  b1: "bool",
};
const CODES = new Map(Object.entries(DTYPES).map(([code, dtype]) => [dtype, code]));

/** The array in `bytes`, in C order. `origin` names it in errors: a file, or an entry of one. */
export function decodeNpy(bytes: Uint8Array, origin: string): Tensor {
  const bad = (why: string) => new UserError(`${origin} is not a NumPy array file: ${why}`);
  if (bytes.length < 10 || MAGIC.some((byte, i) => bytes[i] !== byte)) throw bad("it does not begin with \\x93NUMPY");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const major = bytes[6]!;
  if (major < 1 || major > 3) throw bad(`its version ${major} is unknown`);
  const start = major === 1 ? 10 : 12;
  if (bytes.length < start) throw bad("it is truncated");
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > MAX_HEADER_BYTES)
    throw bad(`its header of ${length} bytes is longer than the ${MAX_HEADER_BYTES} allowed`);
  if (start + length > bytes.length) throw bad("it is truncated");
  const header = new TextDecoder("latin1").decode(bytes.subarray(start, start + length));

  const { dtype, bigEndian } = parseDType(header, origin);
  const shape = parseShape(header);
  const fortran = /['"]fortran_order['"]\s*:\s*(True|False)/.exec(header)?.[1];
  if (!shape || !fortran) throw bad("its header lacks shape or fortran_order");
  const expected = sizeOf(shape) * DTYPE_BYTES[dtype];
  const content = bytes.subarray(start + length);
  if (content.length !== expected) {
    throw new UserError(
      `${origin}: ${dtype} of shape [${shape.join(", ")}] takes ${expected} bytes, but ${content.length} follow the header: it is damaged; save it again`,
    );
  }
  const little = bigEndian ? swapBytes(content, DTYPE_BYTES[dtype]) : content;
  const tensor = tensorFromBytes(dtype, fortran === "True" ? [...shape].reverse() : shape, little);
  return fortran === "True" ? reverseAxes(tensor) : tensor;
}

function parseDType(header: string, origin: string): { dtype: DType; bigEndian: boolean } {
  const descr = /['"]descr['"]\s*:\s*(?:['"]([<>|=])?(\w+)['"]|(\[))/.exec(header);
  const code = descr?.[2] ?? "";
  const dtype = Object.hasOwn(DTYPES, code) ? DTYPES[code] : undefined;
  if (!descr || !dtype) {
    const found = descr?.[3] ? "a structured dtype" : descr ? `dtype ${descr[1] ?? ""}${code}` : "no dtype";
    const object = code.startsWith("O") ? " (Python objects)" : "";
    throw new UserError(
      `${origin} has ${found}${object}; supported are ${[...CODES.keys()].filter((d) => d !== "bfloat16").join(", ")}: convert it with astype`,
    );
  }
  return { dtype, bigEndian: descr[1] === ">" && DTYPE_BYTES[dtype] > 1 };
}

function parseShape(header: string): number[] | undefined {
  const text = /['"]shape['"]\s*:\s*\(([\d\s,L]*)\)/.exec(header)?.[1];
  if (text === undefined) return undefined;
  const shape = text.split(",").flatMap((part) => (part.trim() === "" ? [] : [Number.parseInt(part, 10)]));
  return Number.isSafeInteger(sizeOf(shape) * 8) ? shape : undefined;
}

function swapBytes(bytes: Uint8Array, width: number): Uint8Array {
  const swapped = bytes.slice();
  for (let i = 0; i < swapped.length; i += width) swapped.subarray(i, i + width).reverse();
  return swapped;
}

/** Fortran order is C order with the axes reversed: this reverses them back by moving the values. */
function reverseAxes(tensor: Tensor): Tensor {
  const { shape: from, data } = tensor;
  const to = allocate(tensor.dtype, [...from].reverse());
  const rank = from.length;
  // Stride in `to` of each axis of `from`.
  const strides = from.map((_, axis) => sizeOf(from.slice(0, axis)));
  const index = new Array<number>(rank).fill(0);
  let target = 0;
  for (let source = 0; source < data.length; source++) {
    to.data[target] = data[source]!;
    for (let axis = rank - 1; axis >= 0; axis--) {
      target += strides[axis]!;
      if (++index[axis]! < from[axis]!) break;
      target -= strides[axis]! * from[axis]!;
      index[axis] = 0;
    }
  }
  return to;
}

/** The bytes of a `.npy` file. NumPy has no bfloat16: it is written as float32, which holds it exactly. */
export function encodeNpy(tensor: Tensor): Uint8Array {
  const stored = tensor.dtype === "bfloat16" ? convert(tensor, "float32") : tensor;
  const order = DTYPE_BYTES[stored.dtype] === 1 ? "|" : "<";
  const shape = stored.shape.length === 1 ? `${stored.shape[0]},` : stored.shape.join(", ");
  const text = `{'descr': '${order}${CODES.get(stored.dtype)}', 'fortran_order': False, 'shape': (${shape}), }`;
  // The values begin at a multiple of 64; the header is filled with spaces and ends in a line feed.
  const start = Math.ceil((10 + text.length + 1) / 64) * 64;
  const content = bytesOf(stored);
  const bytes = new Uint8Array(start + content.length).fill(0x20, 0, start);
  bytes.set(MAGIC);
  bytes.set([1, 0, (start - 10) & 0xff, (start - 10) >>> 8], 6);
  bytes.set(new TextEncoder().encode(text), 10);
  bytes[start - 1] = 0x0a;
  bytes.set(content, start);
  return bytes;
}
