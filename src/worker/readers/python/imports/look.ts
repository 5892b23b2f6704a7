import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs";

/** Looks at files and folders that may be missing or forbidden. Neither ends a reading; forbidden ones are reported. */

export type Kind = "file" | "folder" | "forbidden";

/**
 * What is at the path; undefined for nothing, or for what is neither file nor folder. A folder on another machine of a
 * network (`\\server\share`) is not looked at: otherwise a file could make this machine log in there.
 */
export function kindOf(path: string): Kind | undefined {
  if (isRemote(path)) return undefined;
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.isFile()) return "file";
    return found?.isDirectory() ? "folder" : undefined;
  } catch (error) {
    return failure(error) === "forbidden" ? "forbidden" : undefined;
  }
}

export function isFile(path: string): boolean {
  return kindOf(path) === "file";
}

export function isFolder(path: string): boolean {
  return kindOf(path) === "folder";
}

/** The names in a folder, sorted, as Python's site module goes through them; none where there is no such folder. */
export function namesIn(folder: string): readonly string[] | "forbidden" {
  try {
    return isRemote(folder) ? [] : readdirSync(folder).sort();
  } catch (error) {
    return failure(error) === "forbidden" ? "forbidden" : [];
  }
}

/** The text of a file of at most `most` bytes; undefined for what is no such file. */
export function textOf(file: string, most: number): string | "forbidden" | undefined {
  if (isRemote(file)) return undefined;
  try {
    const { size } = statSync(file);
    return size <= most ? readFileSync(file, "utf8") : undefined;
  } catch (error) {
    return failure(error) === "forbidden" ? "forbidden" : undefined;
  }
}

/** The path without links; itself where it leads nowhere. */
export function realPath(path: string): string {
  try {
    return isRemote(path) ? path : realpathSync(path);
  } catch (error) {
    failure(error);
    return path;
  }
}

function isRemote(path: string): boolean {
  return process.platform === "win32" && /^[\\/]{2}/.test(path);
}

/** Links that lead in a circle, names that are too long and devices that fail count as nothing there. */
function failure(error: unknown): "forbidden" | "absent" {
  if (!(error instanceof Error && "code" in error && "syscall" in error)) throw error;
  return error.code === "EACCES" || error.code === "EPERM" ? "forbidden" : "absent";
}
