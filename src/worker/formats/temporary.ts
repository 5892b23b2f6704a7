import { createHash, randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { lstat, mkdtemp, readdir, realpath, rm } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import * as path from "node:path";

/**
 * Names of what is written on the way, and what becomes of it when its process is killed. A name says whose it is:
 * `model.safetensors.HOST-PID-RANDOM.tmp`, `lora-lens-HOST-PID-RANDOM`. The next write into the folder removes it when
 * the process is dead for sure, that is when HOST is this system and no process has the number; or when nothing has
 * changed in it for a day, which covers a number that another process has by now, and folders that several hosts share.
 */

/** No write stands still for so long. */
const ABANDONED_MS = 24 * 60 * 60 * 1000;

const TEMPORARY_FILE = /\.(?:([0-9a-f]{8})-)?(\d{1,10})-[0-9a-f]{8}\.tmp$/;
const TEMPORARY_FOLDER = /^lora-lens-([0-9a-f]{8})-(\d{1,10})-[A-Za-z0-9]{6}$/;

/**
 * The system that numbers this process: the host, since when it runs, and on Linux the namespace of its process numbers,
 * which containers have of their own.
 */
const HOST = createHash("sha256")
  .update([hostname(), ...linux()].join("\n"))
  .digest("hex")
  .slice(0, 8);

function linux(): string[] {
  if (process.platform !== "linux") return [];
  try {
    return [readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(), readlinkSync("/proc/self/ns/pid")];
  } catch {
    // A sandbox without /proc: nobody else may be told apart, so no process of another run is taken for a dead one.
    return [randomBytes(8).toString("hex")];
  }
}

/** The name of a file beside `file` that is to be renamed to it. */
export function temporaryName(file: string): string {
  return `${file}.${HOST}-${process.pid}-${randomBytes(4).toString("hex")}.tmp`;
}

/** A new folder for what need not outlast the process. Whoever makes it removes it. */
export async function makeTemporaryFolder(): Promise<string> {
  const parent = await realpath(tmpdir());
  await removeAbandoned(parent, TEMPORARY_FOLDER);
  return mkdtemp(path.join(parent, `lora-lens-${HOST}-${process.pid}-`));
}

/** Removes from the folder what killed processes left of files they were writing. */
export function removeAbandonedFiles(folder: string): Promise<void> {
  return removeAbandoned(folder, TEMPORARY_FILE);
}

async function removeAbandoned(folder: string, pattern: RegExp): Promise<void> {
  const names = (await unlessRefused(() => readdir(folder))) ?? [];
  for (const name of names.filter((each) => pattern.test(each))) {
    await unlessRefused(() => removeIfAbandoned(path.join(folder, name), pattern.exec(name)!));
  }
}

async function removeIfAbandoned(found: string, [, host, pid]: RegExpExecArray): Promise<void> {
  const stat = await lstat(found);
  // Neither a link nor anything of another user's is ours.
  if (!(stat.isFile() || stat.isDirectory()) || (process.getuid && stat.uid !== process.getuid())) return;
  const isDead = host === HOST && !isAlive(Number(pid));
  if (!isDead && Date.now() - stat.mtimeMs <= ABANDONED_MS) return;
  await rm(found, { recursive: stat.isDirectory(), force: true });
}

/**
 * Another process may be removing the same, or the folder may allow no more than writing: what is to be written does not
 * depend on it, and whoever opens the file says what is wrong with the folder.
 */
async function unlessRefused<T>(action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and another user's.
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
