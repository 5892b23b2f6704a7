import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { root } from "../build.mjs";

/** Files of a package that say its license, or what it carries of others. */
const LICENSE_FILE = /^(licen[cs]e|copying|notice|thirdpartynotices)/i;

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
}

/** The licenses of the packages that files, given from the root, belong to. */
export async function thirdPartyNotices(files: readonly string[]): Promise<string> {
  const folders = new Set(files.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? []));
  const parts = await Promise.all([...folders].sort().map(notice));
  return [
    "LoRA Lens is under the license in LICENSE. This package contains parts of the packages below.\n",
    ...parts,
  ].join(`\n${"=".repeat(80)}\n\n`);
}

async function notice(folder: string): Promise<string> {
  const manifest = JSON.parse(await readFile(join(root, folder, "package.json"), "utf8")) as Manifest;
  const entries = await readdir(join(root, folder), { withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile() && LICENSE_FILE.test(entry.name)).map(({ name }) => name);
  const texts = await Promise.all(names.sort().map((name) => readFile(join(root, folder, name), "utf8")));
  return [`${manifest.name} ${manifest.version} (${manifest.license ?? "license below"})\n`, ...texts].join("\n");
}
