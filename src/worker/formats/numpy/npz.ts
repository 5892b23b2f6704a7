import { zipSync } from "fflate";
import { UserError } from "../errors";
import { readBytes, replaceFile, yieldToEvents } from "../files";
import type { Tensor } from "../tensor";
import { type Archive, membersOf, unpackMember, type ZipMember } from "../unzip";
import { decodeNpy, encodeNpy, MAX_ARRAY_BYTES } from "./npy";

/** NumPy's archive of named arrays: a zip file of one `name.npy` an array, stored or deflated. */

/** Deflate reaches 1032 : 1, so a small file can declare terabytes; what is unpacked is held in memory at once. */
const MAX_TOTAL_BYTES = 2 ** 32;

/** An archive holds a model's inputs or outputs: tens of arrays. */
const MAX_ENTRIES = 1000;

/** The zip format without its 64-bit extension. */
const MAX_ARCHIVE_BYTES = 2 ** 32 - 1;

/** Reads every array, as `numpy.savez` and `numpy.savez_compressed` write them. Names come without `.npy`. */
export async function readNpz(file: string): Promise<Map<string, Tensor>> {
  const bytes = await readBytes(file, MAX_ARRAY_BYTES, "model inputs are smaller");
  const archive: Archive = { file, bytes, kind: ".npz file", maxEntries: MAX_ENTRIES };
  const tensors = new Map<string, Tensor>();
  for (const { name } of checked(archive, membersOf(archive))) {
    await yieldToEvents();
    const array = unpackMember(archive, name, MAX_TOTAL_BYTES);
    if (!array) throw new UserError(`${file}: "${name}" is damaged; save it again`, { file });
    tensors.set(name.slice(0, -".npy".length), decodeNpy(array, `${file}: ${name}`));
  }
  return tensors;
}

function checked({ file }: Archive, entries: readonly ZipMember[]): readonly ZipMember[] {
  const names = new Set<string>();
  let total = 0;
  for (const { name, originalSize } of entries) {
    if (!name.endsWith(".npy")) {
      throw new UserError(`${file} holds "${name}", which is not a NumPy array; write it with numpy.savez`, { file });
    }
    if (names.has(name)) throw new UserError(`${file} holds "${name}" twice; save it again`, { file });
    names.add(name);
    total += originalSize;
  }
  if (total > MAX_TOTAL_BYTES) {
    throw new UserError(`${file} unpacks to ${total} bytes, more than the ${MAX_TOTAL_BYTES} allowed`, { file });
  }
  return entries;
}

/** Writes an archive that `numpy.load` reads, uncompressed as `numpy.savez` does; the same arrays give the same bytes. */
export async function writeNpz(file: string, tensors: ReadonlyMap<string, Tensor>): Promise<void> {
  const entries: Record<string, Uint8Array> = {};
  let total = 0;
  for (const [name, tensor] of tensors) {
    const bytes = encodeNpy(tensor);
    entries[`${name}.npy`] = bytes;
    total += bytes.length;
  }
  if (total > MAX_ARCHIVE_BYTES) {
    throw new UserError(`${file} would have ${total} bytes, more than the 4 GiB that an .npz file can hold`, { file });
  }
  await replaceFile(file, zipSync(entries, { level: 0, mtime: new Date(1980, 0, 1) }));
}
