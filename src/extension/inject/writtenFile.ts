import { readFile, rename, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** A file that is about to be written, with what it takes to undo that. Knows nothing of VS Code. */
export class WrittenFile {
  private written: Buffer | undefined;

  private constructor(
    private readonly file: string,
    /** undefined: there was no file. */
    private readonly before: Buffer | undefined,
    /** Folders that are made for the file, the innermost first. */
    private readonly folders: readonly string[],
  ) {}

  /** To be called before the file is written. */
  static async before(file: string): Promise<WrittenFile> {
    const folders: string[] = [];
    for (let folder = dirname(file); !(await exists(folder)) && folder !== dirname(folder); folder = dirname(folder))
      folders.push(folder);
    return new WrittenFile(file, await contentOf(file), folders);
  }

  /** To be called when it has been written. */
  async done(): Promise<void> {
    this.written = await contentOf(this.file);
  }

  /**
   * Restores the file as it was before, or removes it with the folders that were made for it, as far as they are empty.
   * Leaves a file alone that has been changed since: that is somebody's work.
   */
  async undo(): Promise<"restored" | "removed" | "changed"> {
    const now = await contentOf(this.file);
    if (this.written === undefined || now === undefined || !now.equals(this.written)) return "changed";
    this.written = undefined;
    if (this.before !== undefined) {
      await replace(this.file, this.before);
      return "restored";
    }
    await rm(this.file);
    for (const folder of this.folders) if (!(await removeEmpty(folder))) break;
    return "removed";
  }
}

async function contentOf(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function exists(folder: string): Promise<boolean> {
  try {
    await stat(folder);
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
}

/** False where something else lies in it by now. */
async function removeEmpty(folder: string): Promise<boolean> {
  try {
    await rmdir(folder);
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOTEMPTY" || codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

/** At once, so that nobody reads half of it. */
async function replace(file: string, content: Buffer): Promise<void> {
  const temporary = join(dirname(file), `.adapter_config-${process.pid}.tmp`);
  await writeFile(temporary, content);
  await rename(temporary, file);
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
