import type { FileHandle } from "node:fs/promises";
import { DTYPE_BYTES, type DType } from "../dtype";
import { UserError } from "../errors";
import { readFully, withFile, yieldToEvents } from "../files";
import { allocate, byteLengthOf, bytesOf, sizeOf, type Tensor, type TensorRef } from "../tensor";
import { PickleDict, PickleTensor, type PickleValue } from "./pickleValues";
import { unpickle } from "./unpickle";
import { readZipDirectory, type ZipEntry } from "./zipDirectory";

/**
 * Weights of `torch.save`: a zip archive with a pickle (`data.pkl`) that describes the tensors and one stored entry a
 * storage (`data/KEY`). The bytes of contiguous tensors stay where they are.
 */

export interface TorchCheckpoint {
  readonly file: string;
  /** By state-dict key, in the file's order. Tensors whose elements are not contiguous have been read. */
  readonly tensors: ReadonlyMap<string, TensorRef | Tensor>;
  /** The checkpoint's key under which the state dict was found, such as `model`; undefined at the top. */
  readonly within?: string;
}

/** A tensor takes some 150 bytes; an optimizer's state multiplies that by four. */
const MAX_PICKLE_BYTES = 64 * 1024 * 1024;
/** What is not contiguous is gathered in memory. */
const MAX_GATHERED_BYTES = 2 ** 30;
const ELEMENTS_A_TURN = 1 << 20;

/** Keys under which training scripts keep the model's state dict, the usual ones first. */
const USUAL_KEYS = ["state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "params"];

const ZIP = [0x50, 0x4b, 0x03, 0x04];
/** A pickle of protocol 2 that begins with torch's magic number 0x1950a86a20f9469cfc6c. */
const LEGACY = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/** Reads the directory and the pickle, runs nothing. Throws a UserError that names what is refused or damaged. */
export function readTorchCheckpoint(file: string): Promise<TorchCheckpoint> {
  return withFile(file, async (handle, size) => {
    await requireZip(handle, file, size);
    const entries = await readZipDirectory(handle, file, size);
    const pickle = [...entries.keys()].find((name) => /^[^/]*\/?data\.pkl$/.test(name));
    if (pickle === undefined)
      throw new UserError(`${file} has no data.pkl, so it was not written by torch.save`, { file });
    const prefix = pickle.slice(0, -"data.pkl".length);
    if (entries.has(`${prefix}constants.pkl`)) {
      throw new UserError(
        `${file} is a TorchScript archive, which holds code; save the model's state_dict() with torch.save`,
        { file },
      );
    }
    await requireLittleEndian(handle, file, entries.get(`${prefix}byteorder`));
    const root = unpickle(await readEntry(handle, file, entries.get(pickle)!, MAX_PICKLE_BYTES), file);
    const { dict, within } = findStateDict(root, file);
    const storages: Storages = { handle, file, entries, prefix };
    const tensors = new Map<string, TensorRef | Tensor>();
    let gathered = 0;
    for (const [name, value] of dict.entries) {
      if (typeof name !== "string" || !(value instanceof PickleTensor)) continue;
      const ref = locate(storages, name, value);
      if (isContiguous(value)) tensors.set(name, ref);
      else {
        gathered += byteLengthOf(ref);
        if (gathered > MAX_GATHERED_BYTES) {
          throw new UserError(
            `${file}: tensors that are not contiguous, such as "${name}", take more than ${MAX_GATHERED_BYTES} bytes; save them with .contiguous()`,
            { file },
          );
        }
        tensors.set(name, await gather(storages, ref, value));
      }
    }
    return { file, tensors, ...(within === undefined ? {} : { within }) };
  });
}

async function requireZip(handle: FileHandle, file: string, size: number): Promise<void> {
  if (size === 0) throw new UserError(`${file} is empty; download or save it again`, { file });
  const start = new Uint8Array(Math.min(size, LEGACY.length));
  await readFully(handle, file, start, 0);
  if (ZIP.every((byte, i) => start[i] === byte)) return;
  if (LEGACY.every((byte, i) => start[i] === byte)) {
    throw new UserError(
      `${file} has the format of PyTorch before 1.6; load it with torch.load and save it again with torch.save`,
      { file },
    );
  }
  throw new UserError(`${file} is not a file of torch.save: it does not begin as a zip file does`, { file });
}

async function requireLittleEndian(handle: FileHandle, file: string, entry: ZipEntry | undefined): Promise<void> {
  if (!entry) return;
  const order = new TextDecoder().decode(await readEntry(handle, file, entry, 64)).trim();
  if (order !== "little") {
    throw new UserError(`${file} has the byte order "${order}"; save it again on a little-endian machine`, { file });
  }
}

async function readEntry(handle: FileHandle, file: string, entry: ZipEntry, most: number): Promise<Uint8Array> {
  if (entry.byteLength > most) {
    throw new UserError(`${file}: "${entry.name}" has ${entry.byteLength} bytes, more than the ${most} allowed`, {
      file,
    });
  }
  const bytes = new Uint8Array(entry.byteLength);
  await readFully(handle, file, bytes, entry.offset);
  return bytes;
}

/** The state dict itself, or the one that a checkpoint holds among other things. */
function findStateDict(root: PickleValue, file: string): { dict: PickleDict; within?: string } {
  if (root instanceof PickleDict) {
    const inside = [...root.entries].flatMap(([name, dict]) =>
      typeof name === "string" && dict instanceof PickleDict && holdsTensors(dict) ? [{ within: name, dict }] : [],
    );
    for (const usual of USUAL_KEYS) {
      const found = inside.find(({ within }) => within === usual);
      if (found) return found;
    }
    if (holdsTensors(root)) return { dict: root };
    if (inside.length === 1) return inside[0]!;
    if (inside.length > 1) {
      const names = inside.map(({ within }) => `"${within}"`).join(", ");
      throw new UserError(`${file} holds several state dicts, ${names}; save only the model's own`, { file });
    }
  }
  throw new UserError(`${file} holds no state dict (tensors by name); save model.state_dict()`, { file });
}

function holdsTensors(dict: PickleDict): boolean {
  for (const [name, value] of dict.entries) if (typeof name === "string" && value instanceof PickleTensor) return true;
  return false;
}

interface Storages {
  readonly handle: FileHandle;
  readonly file: string;
  readonly entries: ReadonlyMap<string, ZipEntry>;
  readonly prefix: string;
}

/** Where the view begins, checked to lie in its storage as a whole. */
function locate({ file, entries, prefix }: Storages, name: string, tensor: PickleTensor): TensorRef {
  const bad = (why: string) => new UserError(`${file}: tensor "${name}" ${why}`, { file });
  const { storage, shape, strides, offset } = tensor;
  if (!isDType(tensor.dtype))
    throw bad(`has dtype ${tensor.dtype}, which is not supported; convert it to another dtype`);
  const width = DTYPE_BYTES[tensor.dtype];
  const entry = entries.get(`${prefix}data/${storage.key}`);
  if (!entry) throw bad(`is in data/${storage.key}, which the archive lacks; save it again`);
  const elements = sizeOf(shape);
  const reach = elements === 0 ? 0 : offset + 1 + shape.reduce((sum, d, i) => sum + (d - 1) * strides[i]!, 0);
  if (!Number.isSafeInteger(elements * width) || !(reach * width <= entry.byteLength)) {
    throw bad(`of shape [${shape.join(", ")}] ends after its storage of ${entry.byteLength} bytes; save it again`);
  }
  return {
    file,
    offset: entry.offset + (elements === 0 ? 0 : offset * width),
    byteLength: elements * width,
    dtype: tensor.dtype,
    shape,
  };
}

function isDType(name: string): name is DType {
  return Object.hasOwn(DTYPE_BYTES, name);
}

function isContiguous({ shape, strides }: PickleTensor): boolean {
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] === 0) return true;
    if (shape[i] !== 1 && strides[i] !== expected) return false;
    expected *= shape[i]!;
  }
  return true;
}

/** Copies a strided view (a transposed weight, an expanded one) into row-major order. */
async function gather({ handle, file }: Storages, ref: TensorRef, { shape, strides }: PickleTensor): Promise<Tensor> {
  const width = DTYPE_BYTES[ref.dtype];
  const span = (1 + shape.reduce((sum, d, i) => sum + (d - 1) * strides[i]!, 0)) * width;
  if (span > MAX_GATHERED_BYTES) {
    throw new UserError(
      `${file}: a tensor of shape [${shape.join(", ")}] is a view of ${span} bytes; save it with .contiguous()`,
      {
        file,
      },
    );
  }
  const source = new Uint8Array(span);
  await readFully(handle, file, source, ref.offset);
  const tensor = allocate(ref.dtype, shape);
  const target = bytesOf(tensor);
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < target.length; to += width) {
    for (let b = 0; b < width; b++) target[to + b] = source[from + b]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]!++;
      from += strides[axis]! * width;
      if (index[axis]! < shape[axis]!) break;
      from -= shape[axis]! * strides[axis]! * width;
      index[axis] = 0;
    }
    if ((to / width) % ELEMENTS_A_TURN === ELEMENTS_A_TURN - 1) await yieldToEvents();
  }
  return tensor;
}
