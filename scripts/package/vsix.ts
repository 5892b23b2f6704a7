import { execFile } from "node:child_process";
import { cp, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import { root } from "../build.mjs";
import { bundleOnnxruntime, bundleParts, bundleVendored } from "./bundle";
import { filesUnder } from "./files";
import { thirdPartyNotices } from "./notices";
import { PACKAGES, type Target, withoutNative } from "./targets";

/** What was packed. */
export interface Packed {
  readonly file: string;
  readonly bytes: number;
  /** How many files it holds, without what the format adds. */
  readonly files: number;
}

/** All that the editor shows or runs; `bin` and the scripts are the checkout's. */
const LEFT_OUT = ["private", "scripts", "bin", "dependencies", "optionalDependencies", "devDependencies"];
const COPIED = ["LICENSE", "README.md", "CHANGELOG.md", "media/icon.png", "media/walkthrough"];

/** Writes the VSIX file of a target into packages/. */
export async function packVsix(target: Target): Promise<Packed> {
  const folder = join(PACKAGES, target.name);
  await rm(folder, { recursive: true, force: true });
  await mkdir(join(folder, "media"), { recursive: true });

  const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  for (const key of LEFT_OUT) delete manifest[key];
  manifest.engines = { vscode: manifest.engines.vscode };
  await writeFile(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  for (const path of COPIED) await cp(join(root, path), join(folder, path), { recursive: true });
  // The folder holds what is packed and nothing else.
  await writeFile(join(folder, ".vscodeignore"), "");

  const outdir = join(folder, "dist");
  const { platform, native } = target;
  const inputs = await Promise.all([
    bundleParts({
      outdir,
      parts: ["extension", "worker", "compute", "reading", "report", "style"],
      carriesOnnxruntime: true,
    }),
    bundleVendored(join(outdir, "vendor")),
    bundleOnnxruntime(
      join(outdir, "vendor"),
      platform && native.length > 0
        ? { folder: `${platform.os}/${platform.arch}`, files: native }
        : { missing: withoutNative(target) },
    ),
  ]);
  await writeFile(join(folder, "ThirdPartyNotices.txt"), await thirdPartyNotices(inputs.flat()));

  const file = join(PACKAGES, `${manifest.name}-${manifest.version}-${target.name}.vsix`);
  await vsce(folder, [
    "package",
    "--no-dependencies",
    ...(platform ? ["--target", target.name] : []),
    ...["--out", file],
  ]);
  return { file: relative(root, file), bytes: (await stat(file)).size, files: (await filesUnder(folder)).length - 1 };
}

/** Runs vsce; what it warns of is an error. */
async function vsce(cwd: string, args: readonly string[]): Promise<void> {
  const require = createRequire(import.meta.url);
  const script = join(dirname(require.resolve("@vscode/vsce/package.json")), "vsce");
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [script, ...args], { cwd }).catch(
    (error: { stdout?: string; stderr?: string; message: string }) => {
      throw new Error(`vsce ${args.join(" ")} failed:\n${error.stderr || error.stdout || error.message}`);
    },
  );
  const warnings = `${stdout}\n${stderr}`.split("\n").filter((line) => /warning/i.test(line));
  if (warnings.length > 0) throw new Error(`vsce ${args.join(" ")} warns:\n${stdout}\n${stderr}`);
}
