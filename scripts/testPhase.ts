import { readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "./build.mjs";

/** What a test process tells the one that started it, once and last. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/**
 * Test files under a folder of the project, as paths from its root; `except` names a folder to leave out.
 * Throws when there is none: a pattern that matches nothing must not look like success.
 */
export function testFiles(folder: string, except?: string): string[] {
  const found = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((path) => join(folder, path).replaceAll("\\", "/"))
    .filter((path) => path.endsWith(".test.ts") && !(except && path.startsWith(`${except}/`)))
    .sort();
  if (found.length === 0) throw new Error(`no test files under ${folder}`);
  return found;
}
