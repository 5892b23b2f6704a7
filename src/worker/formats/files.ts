import { type FileHandle, mkdir, open, realpath, rename, rm } from "node:fs/promises";
import * as path from "node:path";
import { UserError } from "./errors";
import { removeAbandonedFiles, temporaryName } from "./temporary";

/** Opening, reading and replacing files. Nothing is written outside the folder a caller names. */

/** Lets waiting events run: long loops call it so that the process stays answerable. */
export function yieldToEvents(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Opens a regular file for reading and hands it, with its size in bytes, to `body`. Throws a UserError when it cannot be opened. */
export async function withFile<T>(file: string, body: (handle: FileHandle, size: number) => Promise<T>): Promise<T> {
  let handle: FileHandle;
  try {
    handle = await open(file, "r");
  } catch (error) {
    throw fileError(error, file, "read");
  }
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw new UserError(`${file} is not a file`, { file });
    return await body(handle, stat.size);
  } finally {
    await handle.close();
  }
}

/** The bytes a system call moves at once; larger requests are split, so that other work gets a turn in between. */
export const CHUNK_BYTES = 4 * 1024 * 1024;

/** Fills `target` from byte `position` on. Throws a UserError when the file ends before that. */
export async function readFully(handle: FileHandle, file: string, target: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < target.length; ) {
    const length = Math.min(CHUNK_BYTES, target.length - done);
    const { bytesRead } = await handle.read(target, done, length, position + done);
    if (bytesRead === 0) {
      throw new UserError(`${file} ends at byte ${position + done}; it was cut short while it was being read`, {
        file,
      });
    }
    done += bytesRead;
  }
}

/** Writes all of `bytes` at the handle's position. */
export async function writeFully(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, Math.min(CHUNK_BYTES, bytes.length - done));
    done += bytesWritten;
  }
}

/** A file's bytes. `maxBytes` bounds what a mistaken choice of file can cost; the error tells `reason`. */
export function readBytes(file: string, maxBytes: number, reason: string): Promise<Uint8Array> {
  return withFile(file, async (handle, size) => {
    if (size > maxBytes) {
      throw new UserError(`${file} has ${size} bytes, more than the ${maxBytes} allowed: ${reason}`, { file });
    }
    const bytes = new Uint8Array(size);
    await readFully(handle, file, bytes, 0);
    return bytes;
  });
}

/** A UTF-8 file's text, without a byte order mark. */
export async function readText(file: string, maxBytes: number, reason: string): Promise<string> {
  const bytes = await readBytes(file, maxBytes, reason);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UserError(`${file} is not UTF-8 text`, { file });
  }
}

/** A JSON file's value, which must be an object. */
export async function readJsonObject(
  file: string,
  maxBytes: number,
  reason: string,
): Promise<Readonly<Record<string, unknown>>> {
  const text = await readText(file, maxBytes, reason);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${file} is not valid JSON: ${(error as Error).message}`, { file });
  }
  if (!isObject(value)) throw new UserError(`${file} must hold a JSON object`, { file });
  if (isDeeper(value, MAX_DEPTH)) {
    throw new UserError(`${file} is nested more than ${MAX_DEPTH} levels deep; it may be damaged`, { file });
  }
  return value;
}

/** Models in models nest a few dozen levels. JSON.parse takes any depth; what goes through its result is recursive. */
const MAX_DEPTH = 400;

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Replaces or creates a file at once: a reader sees the old content or the new, never a part, also after a crash. */
export function replaceFile(file: string, content: string | Uint8Array): Promise<void> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return replaceFileWith(file, (handle) => writeFully(handle, bytes));
}

/**
 * As `replaceFile`, with the content written piece by piece. It goes to a temporary file in the same folder (a rename
 * is atomic within one file system only) which is synchronized to the disk, then renamed. On an error nothing remains
 * of it and the old file is untouched. What a killed process left of such a file in the folder is removed first.
 */
export async function replaceFileWith(file: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
  const temporary = temporaryName(file);
  await removeAbandonedFiles(path.dirname(file));
  let handle: FileHandle;
  try {
    handle = await open(temporary, "wx");
  } catch (error) {
    throw fileError(error, file, "write");
  }
  try {
    try {
      await write(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw fileError(error, file, "write");
  }
  // Windows cannot open folders; there the rename is durable without it.
  if (process.platform !== "win32") await synchronizeFolder(path.dirname(file));
}

async function synchronizeFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes a folder and those above it; one that exists is fine. Returns its absolute path. */
export async function makeFolder(folder: string): Promise<string> {
  const absolute = path.resolve(folder);
  try {
    await mkdir(absolute, { recursive: true });
  } catch (error) {
    throw fileError(error, absolute, "write");
  }
  return absolute;
}

/**
 * The absolute path of `name` in an existing `folder`. Throws a UserError when it lies outside: by `..`, by an absolute
 * path, or through a symbolic link. `name` may come from a file and is not trusted.
 */
export async function insideFolder(folder: string, name: string): Promise<string> {
  const outside = () => new UserError(`"${name}" lies outside the folder ${folder}; only files inside it are allowed`);
  if (name === "" || name.includes("\0") || path.isAbsolute(name) || path.win32.isAbsolute(name)) throw outside();
  const root = path.resolve(folder);
  const target = path.resolve(root, name);
  if (target === root || !contains(root, target)) throw outside();
  const real = await realFolder(path.dirname(target), root);
  if (!contains(await realFolder(root, root), real)) throw outside();
  return target;
}

function contains(root: string, target: string): boolean {
  const relative = path.relative(root, target);
  return relative !== ".." && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative);
}

/** The real path of the nearest folder at or above `folder` that exists. */
async function realFolder(folder: string, root: string): Promise<string> {
  try {
    return await realpath(folder);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw fileError(error, folder, "read");
    if (folder === root) throw new UserError(`the folder ${root} does not exist`);
    return realFolder(path.dirname(folder), root);
  }
}

function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : undefined;
}

/** What a failed system call means to the user. Anything but the known codes is passed through. */
function fileError(error: unknown, file: string, action: "read" | "write"): unknown {
  switch (codeOf(error)) {
    case "ENOENT":
      return new UserError(action === "read" ? `${file} does not exist` : `the folder of ${file} does not exist`, {
        file,
      });
    case "EACCES":
    case "EPERM":
      return new UserError(`no permission to ${action} ${file}`, { file });
    case "EROFS":
      return new UserError(`cannot write ${file}: the disk is read-only`, { file });
    case "EISDIR":
      return new UserError(`${file} is a folder; a file is needed`, { file });
    case "EEXIST":
    case "ENOTDIR":
      return new UserError(`cannot ${action} ${file}: a part of its path is a file where a folder is needed`, { file });
    case "ENAMETOOLONG":
      return new UserError(`cannot ${action} ${file.slice(0, 200)}…: its path is longer than the system allows`);
    case "ELOOP":
      return new UserError(`cannot ${action} ${file}: its links form a circle`, { file });
    case "ENOSPC":
      return new UserError(`cannot write ${file}: the disk is full`, { file });
    default:
      return error;
  }
}
