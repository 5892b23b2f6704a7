import { once } from "node:events";
import { existsSync, watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** Waits until a file is there and gives its text. */
export async function fileAppears(folder: string, name: string): Promise<string> {
  const watcher = watch(folder);
  try {
    while (!existsSync(join(folder, name))) await once(watcher, "change");
  } finally {
    watcher.close();
  }
  return readFile(join(folder, name), "utf8");
}
