import { execFile } from "node:child_process";
import { cp, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { root } from "../build.mjs";
import { bundleParts, bundleVendored } from "./bundle";
import { filesUnder } from "./files";
import { thirdPartyNotices } from "./notices";
import { NPM, PACKAGES } from "./targets";
import type { Packed } from "./vsix";

const COPIED = ["LICENSE", "README.md", "CHANGELOG.md", "bin", "docs/command-line.md", "schemas"];
const KEPT = ["name", "description", "version", "license", "keywords", "repository", "bugs", "homepage", "bin"];

/**
 * Packs the command line, the language server included, as an npm package. It depends on onnxruntime-node alone, and
 * does without it: its install script downloads from hosts that may be out of reach.
 */
export async function packNpm(): Promise<Packed> {
  const folder = join(PACKAGES, NPM);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });

  const whole = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const manifest = {
    ...Object.fromEntries(KEPT.map((key) => [key, whole[key]])),
    engines: { node: whole.engines.node },
    optionalDependencies: { "onnxruntime-node": whole.dependencies["onnxruntime-node"] },
  };
  await writeFile(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  for (const path of COPIED) await cp(join(root, path), join(folder, path), { recursive: true });

  const outdir = join(folder, "dist");
  const inputs = await Promise.all([
    bundleParts({ outdir, parts: ["worker", "compute", "reading", "report", "style"], carriesOnnxruntime: false }),
    // The client is the editor's.
    bundleVendored(join(outdir, "vendor"), ["vscode-languageclient/node"]),
  ]);
  await writeFile(join(folder, "ThirdPartyNotices.txt"), await thirdPartyNotices(inputs.flat()));

  const shell = process.platform === "win32";
  const { stdout } = await promisify(execFile)("npm", ["pack", "--json", "--pack-destination", ".."], {
    cwd: folder,
    shell,
  });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  const file = join(PACKAGES, filename);
  return { file: relative(root, file), bytes: (await stat(file)).size, files: (await filesUnder(folder)).length };
}
