import { chmod, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";

const MODULES = join(__dirname, "..", "..", "..", "node_modules");
const ARCHIVE = join(MODULES, "@sparticuz", "chromium", "bin", "swiftshader.tar.br");
const FOLDER = join(MODULES, ".cache", "lora-lens", "swiftshader");

/**
 * The environment in which WebGPU finds SwiftShader, a Vulkan device in software: the one that comes with the package
 * @sparticuz/chromium (Linux x64), with its own Vulkan loader. It is unpacked on first use.
 */
export async function swiftshaderEnvironment(): Promise<NodeJS.ProcessEnv> {
  const icd = join(FOLDER, "vk_swiftshader_icd.json");
  if (!(await exists(icd))) await unpack();
  const paths = [FOLDER, process.env.LD_LIBRARY_PATH].filter(Boolean).join(":");
  return { ...process.env, VK_ICD_FILENAMES: icd, LD_LIBRARY_PATH: paths };
}

/** Into a folder of its own first, so that two test runs at a time do not see half of it. */
async function unpack(): Promise<void> {
  const archive = await promisify(brotliDecompress)(await readFile(ARCHIVE));
  const partial = `${FOLDER}.${process.pid}`;
  await mkdir(partial, { recursive: true });
  for (const { name, bytes } of tarFiles(archive)) {
    await writeFile(join(partial, name), bytes);
    await chmod(join(partial, name), 0o755);
  }
  try {
    await rename(partial, FOLDER);
  } catch (error) {
    await rm(partial, { recursive: true });
    if (!(await exists(FOLDER))) throw error;
  }
}

/** The plain files of a tar archive, without their folders (POSIX ustar: 512-byte headers, sizes in octal). */
function* tarFiles(archive: Buffer): Generator<{ name: string; bytes: Buffer }> {
  const BLOCK = 512;
  const text = (from: number, length: number) =>
    archive
      .subarray(from, from + length)
      .toString("latin1")
      .split("\0")[0]!;
  for (let at = 0; at + BLOCK <= archive.length && archive[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8);
    const kind = text(at + 156, 1);
    if (kind === "0" || kind === "") {
      yield { name: text(at, 100).split("/").at(-1)!, bytes: archive.subarray(at + BLOCK, at + BLOCK + size) };
    }
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
