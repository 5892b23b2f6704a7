import type { FileHandle } from "node:fs/promises";
import { UserError } from "../errors";
import { readFully } from "../files";

/**
 * The central directory of a zip file, for archives whose entries are used in place: only stored entries, their bytes
 * never read here. Zip's 64-bit extension is understood (APPNOTE 4.3, 4.5.3).
 */

export interface ZipEntry {
  readonly name: string;
  /** Where the entry's bytes begin in the file. */
  readonly offset: number;
  readonly byteLength: number;
}

/** A checkpoint has one entry a tensor; 200,000 are a hundred times those of the largest models. */
const MAX_ENTRIES = 200_000;
const MAX_DIRECTORY_BYTES = 64 * 1024 * 1024;
const END_BYTES = 22;
const MAX_COMMENT_BYTES = 0xffff;
const LOCATOR_BYTES = 20;
const END64_BYTES = 56;
const CENTRAL_BYTES = 46;
const LOCAL_BYTES = 30;
const ZIP64_FIELD = 1;
const LARGE = 0xffffffff;

const END = 0x06054b50;
const LOCATOR = 0x07064b50;
const END64 = 0x06064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;

interface Directory {
  readonly offset: number;
  readonly byteLength: number;
  readonly entries: number;
}

interface CentralEntry {
  readonly name: string;
  readonly header: number;
  readonly byteLength: number;
}

/** Entries by name, each checked against the file's size. Throws a UserError for what is damaged or compressed. */
export async function readZipDirectory(
  handle: FileHandle,
  file: string,
  size: number,
): Promise<ReadonlyMap<string, ZipEntry>> {
  const read = async (offset: number, length: number): Promise<DataView> => {
    if (offset < 0 || length < 0 || offset + length > size) {
      throw damaged(file, `bytes ${offset} to ${offset + length} lie outside its ${size} bytes`);
    }
    const bytes = new Uint8Array(length);
    await readFully(handle, file, bytes, offset);
    return new DataView(bytes.buffer);
  };
  const directory = await findDirectory(file, size, read);
  if (directory.entries > MAX_ENTRIES || directory.byteLength > MAX_DIRECTORY_BYTES) {
    throw new UserError(`${file} lists ${directory.entries} entries, more than the ${MAX_ENTRIES} allowed`, { file });
  }
  const listed = parseDirectory(file, await read(directory.offset, directory.byteLength), directory.entries);
  const entries = new Map<string, ZipEntry>();
  for (const { name, header, byteLength } of listed) {
    if (entries.has(name)) throw damaged(file, `it holds "${name}" twice`);
    const local = await read(header, LOCAL_BYTES);
    if (local.getUint32(0, true) !== LOCAL) throw damaged(file, `"${name}" has no header at byte ${header}`);
    const offset = header + LOCAL_BYTES + local.getUint16(26, true) + local.getUint16(28, true);
    if (offset + byteLength > size) throw damaged(file, `"${name}" ends after the file's end`);
    entries.set(name, { name, offset, byteLength });
  }
  return entries;
}

async function findDirectory(
  file: string,
  size: number,
  read: (offset: number, length: number) => Promise<DataView>,
): Promise<Directory> {
  const start = Math.max(0, size - END_BYTES - MAX_COMMENT_BYTES);
  const tail = await read(start, size - start);
  let at = tail.byteLength - END_BYTES;
  while (at >= 0 && tail.getUint32(at, true) !== END) at--;
  if (at < 0) throw damaged(file, "it has no directory at its end: it is truncated");
  const directory = {
    entries: tail.getUint16(at + 10, true),
    byteLength: tail.getUint32(at + 12, true),
    offset: tail.getUint32(at + 16, true),
  };
  const before = start + at - LOCATOR_BYTES;
  if (before < 0) return directory;
  const locator = await read(before, LOCATOR_BYTES);
  if (locator.getUint32(0, true) !== LOCATOR) return directory;
  const end64 = await read(whole(file, locator, 8), END64_BYTES);
  if (end64.getUint32(0, true) !== END64) throw damaged(file, "its 64-bit directory is missing");
  return { entries: whole(file, end64, 32), byteLength: whole(file, end64, 40), offset: whole(file, end64, 48) };
}

function parseDirectory(file: string, view: DataView, count: number): CentralEntry[] {
  const decoder = new TextDecoder("utf-8");
  const entries: CentralEntry[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + CENTRAL_BYTES > view.byteLength || view.getUint32(at, true) !== CENTRAL) {
      throw damaged(file, `entry ${i} of its directory is missing`);
    }
    const nameLength = view.getUint16(at + 28, true);
    const extraLength = view.getUint16(at + 30, true);
    const next = at + CENTRAL_BYTES + nameLength + extraLength + view.getUint16(at + 32, true);
    if (next > view.byteLength) throw damaged(file, `entry ${i} of its directory is cut short`);
    const name = decoder.decode(new Uint8Array(view.buffer, at + CENTRAL_BYTES, nameLength));
    if (view.getUint16(at + 8, true) & 1) throw new UserError(`${file}: "${name}" is encrypted`, { file });
    if (view.getUint16(at + 10, true) !== 0) {
      throw new UserError(`${file}: "${name}" is compressed, which torch.save never does; save it again with PyTorch`, {
        file,
      });
    }
    const extra = new DataView(view.buffer, at + CENTRAL_BYTES + nameLength, extraLength);
    const large = zip64Values(file, extra, view, at);
    if (large.stored !== large.byteLength) throw damaged(file, `the sizes of "${name}" disagree`);
    entries.push({ name, header: large.header, byteLength: large.byteLength });
    at = next;
  }
  return entries;
}

/** Sizes and place of an entry; those that are all ones stand in the 64-bit extra field, in this order. */
function zip64Values(
  file: string,
  extra: DataView,
  view: DataView,
  at: number,
): { byteLength: number; stored: number; header: number } {
  const found = [view.getUint32(at + 24, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)];
  for (let i = 0; i + 4 <= extra.byteLength; ) {
    const end = i + 4 + extra.getUint16(i + 2, true);
    if (end > extra.byteLength) break;
    if (extra.getUint16(i, true) === ZIP64_FIELD) {
      let field = i + 4;
      for (const [k, value] of found.entries()) {
        if (value !== LARGE) continue;
        if (field + 8 > end) throw damaged(file, "a 64-bit size is missing");
        found[k] = whole(file, extra, field);
        field += 8;
      }
    }
    i = end;
  }
  return { byteLength: found[0]!, stored: found[1]!, header: found[2]! };
}

function whole(file: string, view: DataView, at: number): number {
  const value = view.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged(file, `it gives ${value} as a size or place`);
  return Number(value);
}

function damaged(file: string, why: string): UserError {
  return new UserError(`${file} is not a readable zip file: ${why}; save or download it again`, { file });
}
