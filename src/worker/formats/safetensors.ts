import type { FileHandle } from "node:fs/promises";
import * as path from "node:path";
import { DTYPE_BYTES, type DType } from "./dtype";
import { UserError } from "./errors";
import {
  CHUNK_BYTES,
  insideFolder,
  isObject,
  readFully,
  readJsonObject,
  replaceFileWith,
  withFile,
  writeFully,
} from "./files";
import { allocate, byteLengthOf, bytesOf, type StoredTensor, sizeOf, type Tensor, type TensorRef } from "./tensor";

/**
 * The safetensors format: a little-endian u64 header length N, N bytes of JSON that give each tensor's dtype, shape
 * and byte range in what follows, then the bytes (https://github.com/huggingface/safetensors#format). As in the
 * reference implementation the ranges must cover the data without gaps or overlap.
 */

export interface SafetensorsFile {
  readonly file: string;
  /** By name, in the header's order. */
  readonly tensors: ReadonlyMap<string, TensorRef>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A tensor takes some 120 bytes of header; 25 MB are 200,000 tensors, a hundred times those of the largest models. */
const MAX_HEADER_BYTES = 25_000_000;

/** An index has some 100 bytes a tensor: the same bound by the same count. */
const MAX_INDEX_BYTES = 25_000_000;

const LENGTH_BYTES = 8;

const DTYPES: Readonly<Record<string, DType>> = {
  F64: "float64",
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
  I64: "int64",
  I32: "int32",
  I16: "int16",
  I8: "int8",
  U8: "uint8",
  BOOL: "bool",
};
const DTYPE_NAMES = new Map(Object.entries(DTYPES).map(([name, dtype]) => [dtype, name]));

/**
 * Reads the header alone. `file` may be a `.safetensors.index.json`, which lists the shards of a large checkpoint:
 * their headers are then read and joined. Throws a UserError that says what is wrong with a damaged file.
 */
export function readHeader(file: string): Promise<SafetensorsFile> {
  return file.endsWith(".index.json") ? readIndex(file) : readOneHeader(file);
}

function readOneHeader(file: string): Promise<SafetensorsFile> {
  return withFile(file, async (handle, size) => {
    if (size === 0) throw new UserError(`${file} is empty; download or save it again`, { file });
    if (size < LENGTH_BYTES) throw notSafetensors(file, `it has only ${size} bytes`);
    const prefix = new Uint8Array(LENGTH_BYTES);
    await readFully(handle, file, prefix, 0);
    const length = new DataView(prefix.buffer).getBigUint64(0, true);
    if (length > MAX_HEADER_BYTES) {
      throw notSafetensors(
        file,
        `its first 8 bytes say that the header has ${length} bytes; the most is ${MAX_HEADER_BYTES}`,
      );
    }
    const headerBytes = Number(length);
    if (LENGTH_BYTES + headerBytes > size) {
      throw new UserError(
        `${file}: the header should end at byte ${LENGTH_BYTES + headerBytes} but the file has ${size} bytes: it is truncated, or not a safetensors file; download it again`,
        { file },
      );
    }
    const bytes = new Uint8Array(headerBytes);
    await readFully(handle, file, bytes, LENGTH_BYTES);
    return parseHeader(file, bytes, size);
  });
}

function notSafetensors(file: string, why: string): UserError {
  return new UserError(`${file} is not a safetensors file: ${why}`, { file });
}

function parseHeader(file: string, bytes: Uint8Array, fileSize: number): SafetensorsFile {
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
  } catch (error) {
    throw notSafetensors(file, `its header is not JSON (${(error as Error).message})`);
  }
  if (!isObject(header)) throw notSafetensors(file, "its header is not a JSON object");
  const repeated = repeatedKey(text);
  if (repeated !== undefined) {
    throw new UserError(`${file}: the header lists "${repeated}" twice; save the file again`, { file });
  }

  const dataStart = LENGTH_BYTES + bytes.length;
  const tensors = new Map<string, TensorRef>();
  let metadata: Record<string, string> = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") metadata = parseMetadata(file, entry);
    else tensors.set(name, parseEntry(file, name, entry, dataStart));
  }
  checkCoverage(file, tensors, dataStart, fileSize);
  return { file, tensors, metadata };
}

function parseMetadata(file: string, entry: unknown): Record<string, string> {
  if (!isObject(entry)) throw notSafetensors(file, "its __metadata__ is not an object");
  const metadata: [string, string][] = [];
  for (const [key, value] of Object.entries(entry)) {
    if (typeof value !== "string") throw notSafetensors(file, `its metadata "${key}" is not a string`);
    metadata.push([key, value]);
  }
  // Assigning to a key named "__proto__" would lose it.
  return Object.fromEntries(metadata);
}

function parseEntry(file: string, name: string, entry: unknown, dataStart: number): TensorRef {
  const bad = (why: string) => new UserError(`${file}: tensor "${name}" ${why}`, { file });
  if (!isObject(entry)) throw bad("has no description in the header");
  if (typeof entry.dtype !== "string") throw bad("has no dtype");
  const dtype = Object.hasOwn(DTYPES, entry.dtype) ? DTYPES[entry.dtype] : undefined;
  if (!dtype) {
    throw bad(
      `has dtype ${entry.dtype}, which is not supported; supported are ${Object.keys(DTYPES).join(", ")}: convert it to one of them`,
    );
  }
  const { shape, data_offsets: offsets } = entry;
  if (!isCounts(shape)) throw bad("has a shape that is not a list of whole numbers");
  const [begin, end] = isCounts(offsets) && offsets.length === 2 ? offsets : [];
  if (begin === undefined || end === undefined || end < begin) {
    throw bad("has data_offsets that are not [begin, end]");
  }
  const byteLength = byteLengthOf({ dtype, shape });
  if (end - begin !== byteLength) {
    throw bad(
      `of dtype ${entry.dtype} and shape [${shape.join(", ")}] takes ${byteLength} bytes, but its data_offsets span ${end - begin}`,
    );
  }
  return { file, offset: dataStart + begin, byteLength, dtype, shape };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

/** The byte ranges must follow one another from the data's start to the file's end. */
function checkCoverage(
  file: string,
  tensors: ReadonlyMap<string, TensorRef>,
  dataStart: number,
  fileSize: number,
): void {
  const ordered = [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.byteLength - b.byteLength);
  const last = ordered.at(-1)?.[1];
  const end = last ? last.offset + last.byteLength : dataStart;
  if (end > fileSize) {
    throw new UserError(
      `${file}: the header says the data ends at byte ${end} but the file has ${fileSize} bytes: it is truncated; download it again`,
      { file },
    );
  }
  let reached = dataStart;
  let previous = "";
  for (const [name, ref] of ordered) {
    if (ref.offset < reached) {
      throw new UserError(`${file}: the bytes of tensors "${previous}" and "${name}" overlap; save the file again`, {
        file,
      });
    }
    if (ref.offset > reached) {
      throw new UserError(
        `${file}: ${ref.offset - reached} bytes before tensor "${name}" belong to no tensor; save the file again`,
        { file },
      );
    }
    reached = ref.offset + ref.byteLength;
    previous = name;
  }
  if (reached < fileSize) {
    throw new UserError(
      `${file}: the header says the data ends at byte ${reached} but the file has ${fileSize} bytes; save or download it again`,
      { file },
    );
  }
}

/**
 * The first key that stands twice in the outermost object of a valid JSON text. JSON.parse keeps the last one silently,
 * and a tensor would be lost.
 */
function repeatedKey(text: string): string | undefined {
  const seen = new Set<string>();
  const tokens = /"(?:[^"\\]+|\\.)*"|[{}[\]:]/g;
  let depth = 0;
  let lastString = "";
  for (const [token] of text.matchAll(tokens)) {
    if (token === "{" || token === "[") depth++;
    else if (token === "}" || token === "]") depth--;
    else if (token !== ":") lastString = token;
    else if (depth === 1) {
      const key = JSON.parse(lastString) as string;
      if (seen.has(key)) return key;
      seen.add(key);
    }
  }
  return undefined;
}

async function readIndex(file: string): Promise<SafetensorsFile> {
  const index = await readJsonObject(file, MAX_INDEX_BYTES, "an index of shards is never that large");
  const map = index.weight_map;
  if (!isObject(map)) {
    throw new UserError(`${file} has no "weight_map" that says which shard holds each tensor`, { file });
  }
  const shards = new Map<string, SafetensorsFile>();
  const tensors = new Map<string, TensorRef>();
  for (const [name, shard] of Object.entries(map)) {
    if (typeof shard !== "string") throw new UserError(`${file}: the shard of "${name}" is not a file name`, { file });
    let header = shards.get(shard);
    if (!header) {
      header = await readOneHeader(await insideFolder(path.dirname(file), shard));
      shards.set(shard, header);
    }
    const ref = header.tensors.get(name);
    if (!ref) {
      throw new UserError(`${file} says that "${name}" is in ${shard}, but it is not; download both again`, { file });
    }
    tensors.set(name, ref);
  }
  const metadata = isObject(index.metadata) ? index.metadata : {};
  return {
    file,
    tensors,
    metadata: Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, String(value)])),
  };
}

/** Reads one tensor's bytes into memory. */
export function readTensor(ref: TensorRef): Promise<Tensor> {
  return withFile(ref.file, (handle) => readFrom(handle, ref));
}

/** Reads several tensors, opening each file once; in the order given. */
/** The tensor in memory, from wherever it is. */
export async function loadTensor(stored: StoredTensor): Promise<Tensor> {
  if ("data" in stored) return stored;
  return "file" in stored ? readTensor(stored) : stored.load();
}

export async function readTensors(refs: ReadonlyMap<string, TensorRef>): Promise<Map<string, Tensor>> {
  const byFile = new Map<string, TensorRef[]>();
  for (const ref of refs.values()) byFile.set(ref.file, [...(byFile.get(ref.file) ?? []), ref]);
  const read = new Map<TensorRef, Tensor>();
  for (const [file, wanted] of byFile) {
    await withFile(file, async (handle) => {
      for (const ref of wanted) read.set(ref, await readFrom(handle, ref));
    });
  }
  return new Map([...refs].map(([name, ref]) => [name, read.get(ref)!]));
}

async function readFrom(handle: FileHandle, ref: TensorRef): Promise<Tensor> {
  const tensor = allocate(ref.dtype, ref.shape);
  await readFully(handle, ref.file, bytesOf(tensor), ref.offset);
  return tensor;
}

/**
 * Writes tensors, replacing `file` at once when all is written. The header lists them in the order given; their bytes
 * lie widest dtype first, so that each is aligned for its dtype. Tensors that are still in other files (also in the
 * one that is replaced) are streamed from there and never held whole.
 */
export async function writeSafetensors(
  file: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const layout = [...tensors].sort(([, a], [, b]) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype]);
  const header = headerBytes(tensors, layout, metadata);
  const buffer = new Uint8Array(CHUNK_BYTES);
  await replaceFileWith(file, async (out) => {
    await writeFully(out, header);
    for (const [, tensor] of layout) {
      if ("file" in tensor) await withFile(tensor.file, (from) => copyBytes(from, tensor, out, buffer));
      else await writeFully(out, bytesOf(await loadTensor(tensor)));
    }
  });
}

function headerBytes(
  tensors: ReadonlyMap<string, StoredTensor>,
  layout: readonly [string, StoredTensor][],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const begins = new Map<string, number>();
  let end = 0;
  for (const [name, tensor] of layout) {
    begins.set(name, end);
    end += byteLengthOf(tensor);
  }
  // Assembled by hand: an object would put names such as "0" before all others.
  const entries = Object.keys(metadata).length > 0 ? [`"__metadata__":${JSON.stringify(metadata)}`] : [];
  for (const [name, tensor] of tensors) {
    if (name === "__metadata__") throw new RangeError(`a tensor cannot be named ${name}`);
    if ("data" in tensor && tensor.data.length !== sizeOf(tensor.shape)) {
      throw new RangeError(`tensor ${name} has ${tensor.data.length} values for shape [${tensor.shape.join(", ")}]`);
    }
    const begin = begins.get(name)!;
    const entry = {
      dtype: DTYPE_NAMES.get(tensor.dtype),
      shape: tensor.shape,
      data_offsets: [begin, begin + byteLengthOf(tensor)],
    };
    entries.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
  }
  const json = new TextEncoder().encode(`{${entries.join(",")}}`);
  const padded = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(LENGTH_BYTES + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, LENGTH_BYTES);
  return bytes;
}

async function copyBytes(from: FileHandle, ref: TensorRef, to: FileHandle, buffer: Uint8Array): Promise<void> {
  for (let done = 0; done < ref.byteLength; ) {
    const piece = buffer.subarray(0, Math.min(buffer.length, ref.byteLength - done));
    await readFully(from, ref.file, piece, ref.offset + done);
    await writeFully(to, piece);
    done += piece.length;
  }
}
