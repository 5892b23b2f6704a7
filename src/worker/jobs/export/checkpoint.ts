import { existsSync } from "node:fs";
import { lstat, readdir, readFile, realpath, rm, stat } from "node:fs/promises";
import { basename, dirname, extname, join, sep } from "node:path";
import { ADAPTER_CONFIG_FILE } from "../../../protocol/lora";
import type { MergeReport } from "../../../protocol/reports";
import { UserError } from "../../formats/errors";
import { makeFolder, replaceFile } from "../../formats/files";
import { writeSafetensors } from "../../formats/safetensors";
import { byteLengthOf, type StoredTensor } from "../../formats/tensor";
import { isOpenedHere } from "../weights/registry";
import { isTfjsOutput } from "./tfjs";

/**
 * What a merge writes: one `.safetensors` file, or a folder as Hugging Face's libraries load it, with the weights in
 * shards where the base's are, and with the base's configuration and tokenizer.
 */

export interface Layout {
  /** The folder to write into; undefined for one file. */
  readonly folder?: string;
  /** The number of each tensor's shard, from 1; empty when all are in one file. */
  readonly shards: ReadonlyMap<string, number>;
  /** Files of the base's folder that are copied. */
  readonly copies: readonly string[];
  readonly leftOut: readonly { readonly name: string; readonly reason: string }[];
}

const FILE: Layout = { shards: new Map(), copies: [], leftOut: [] };

export type OutputForm = "file" | "folder" | "tfjs";

const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";

/**
 * The layout for the output's path. A folder is one that exists, a path that ends in a slash, or a name without an
 * extension; "Llama-3.1-8B" has none, since no file type begins with a digit.
 */
export async function outputForm(output: string): Promise<OutputForm> {
  if (/[/\\]$/.test(output) || (await isFolder(output))) return "folder";
  if (isTfjsOutput(output)) return "tfjs";
  if (/\.safetensors$/i.test(output)) return "file";
  const extension = extname(output);
  if (!/^\.[a-z]/i.test(extension)) return "folder";
  throw new UserError(
    `${output}: merged weights are not written as ${extension}; name a .safetensors file, or a folder for a whole checkpoint (its name may end in a slash)`,
    { file: output },
  );
}

async function isFolder(path: string): Promise<boolean> {
  return existsSync(path) && (await stat(path)).isDirectory();
}

/** `base`: the base's tensor for each tensor to be written, by its name in the output. */
export async function layOut(
  output: string,
  base: ReadonlyMap<string, StoredTensor>,
  chosen: string | undefined,
): Promise<Layout> {
  if ((await outputForm(output)) === "file") return FILE;
  const folder = output.length > 1 ? output.replace(/[/\\]+$/, "") : output;
  const files = [...new Set([...base.values()].flatMap((value) => ("file" in value ? [value.file] : [])))].sort();
  const folders = new Set(files.map((file) => dirname(file)));
  await refuseBase(folder, files);
  const isOne = folders.size === 1;
  const shards = isOne && files.length > 1 ? shardsOf(base, files) : new Map<string, number>();
  await refuseOtherWeights(folder, new Set(shards.size > 0 ? [INDEX, ...shardNames(shards)] : [SINGLE]));
  const [from] = folders;
  if (!isOne || !(await belongsTo(from!, files, chosen))) return { folder, shards, copies: [], leftOut: [] };
  return { folder, shards, ...(await beside(from!)) };
}

/** The base's own assignment; tensors that the base does not have go to the last shard. */
function shardsOf(base: ReadonlyMap<string, StoredTensor>, files: readonly string[]): Map<string, number> {
  return new Map(
    [...base].map(([name, value]) => [name, "file" in value ? files.indexOf(value.file) + 1 : files.length]),
  );
}

function shardNames(shards: ReadonlyMap<string, number>): string[] {
  const count = Math.max(...shards.values());
  return Array.from({ length: count }, (_, i) => shardName(i + 1, count));
}

function shardName(shard: number, count: number): string {
  const padded = (n: number) => String(n).padStart(5, "0");
  return `model-${padded(shard)}-of-${padded(count)}.safetensors`;
}

async function refuseBase(folder: string, files: readonly string[]): Promise<void> {
  if (!existsSync(folder)) return;
  const real = await realpath(folder);
  const holds = await Promise.all(
    files.flatMap((file) => [realpath(dirname(file)), realpath(file).then((target) => dirname(target))]),
  );
  if (!holds.includes(real)) return;
  throw new UserError(
    `${folder} holds the base weights, which a merge must not replace; write to another file or folder`,
    { file: folder },
  );
}

/**
 * Loaders take the first weights that they find, or all of them, so the folder must not have weights of another model.
 */
async function refuseOtherWeights(folder: string, written: ReadonlySet<string>): Promise<void> {
  if (!existsSync(folder)) return;
  const names = await readdir(folder);
  const other = names.find((name) => name === ADAPTER_CONFIG_FILE || (isOpenedHere(name) && !written.has(name)));
  if (other === undefined) return;
  const what = other === ADAPTER_CONFIG_FILE ? "an adapter" : `other weights, ${other}`;
  throw new UserError(
    `${folder} holds ${what}, which would be loaded with the merged weights or instead of them; choose another folder`,
    { file: folder },
  );
}

/** Whether the folder is a checkpoint, not just a folder that contains a weights file. */
async function belongsTo(folder: string, files: readonly string[], chosen: string | undefined): Promise<boolean> {
  if (chosen === undefined || files.length > 1 || (await isFolder(chosen))) return true;
  return /^(pytorch_)?model\.(safetensors|bin)$/.test(basename(chosen)) && existsSync(join(folder, "config.json"));
}

/** Configurations, tokenizers and similar files. */
const COPIED = /\.(json|txt|model|jinja)$/i;
/** Files about the stored weights or the training run. */
const NOT_COPIED = /^\.|\.index\.json$|^(adapter_|trainer_state\b|training_args\b|optimizer\b|scheduler\b)/i;
/** The largest tokenizer.json have some 30 MB. */
const MAX_COPIED_BYTES = 64 * 1024 * 1024;
/** A checkpoint has a dozen such files. */
const MAX_COPIED = 200;

async function beside(folder: string): Promise<Pick<Layout, "copies" | "leftOut">> {
  const names = (await readdir(folder)).filter((name) => !NOT_COPIED.test(name)).sort();
  const copies: string[] = [];
  const leftOut: { name: string; reason: string }[] = [];
  for (const name of names.filter((each) => COPIED.test(each))) {
    const reason = copies.length >= MAX_COPIED ? `the folder has more than ${MAX_COPIED} such files` : undefined;
    const why = reason ?? (await whyNot(folder, name));
    if (why === undefined) copies.push(join(folder, name));
    else leftOut.push({ name, reason: why });
  }
  for (const name of names.filter((each) => /\.py$/i.test(each))) leftOut.push({ name, reason: "it is code" });
  return { copies, leftOut };
}

/** A link could point to any file on the disk, which the user does not mean to copy. */
async function whyNot(folder: string, name: string): Promise<string | undefined> {
  const path = join(folder, name);
  if ((await lstat(path)).isSymbolicLink()) {
    if (!existsSync(path)) return "it is a broken link";
    const [root, target] = [await realpath(folder), await realpath(path)];
    // Hugging Face's cache keeps files under their hash in `blobs`, and a revision's names as links in `snapshots`.
    const blobs = basename(dirname(root)) === "snapshots" ? join(dirname(dirname(root)), "blobs") : root;
    if (![root, blobs].some((allowed) => target.startsWith(allowed + sep)))
      return "it is a link to a file outside the folder";
  }
  const { size, ...found } = await stat(path).then((s) => ({ size: s.size, isFile: s.isFile() }));
  if (!found.isFile) return "it is not a file";
  return size > MAX_COPIED_BYTES ? `it has more than ${MAX_COPIED_BYTES / 1024 / 1024} MB` : undefined;
}

export interface Written {
  readonly bytes: number;
  readonly checkpoint?: NonNullable<MergeReport["checkpoint"]>;
}

/**
 * Writes the tensors as laid out, the weights last and an index after its shards: so a killed merge leaves no loadable
 * checkpoint. One shard is written at a time, and what is still in the base's files is streamed from there.
 */
export async function writeMerged(
  output: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>>,
  { folder, shards, copies, leftOut }: Layout,
): Promise<Written> {
  if (folder === undefined) {
    await writeSafetensors(output, tensors, { format: "pt", ...metadata });
    return { bytes: (await stat(output)).size };
  }
  await makeFolder(folder);
  // Until all shards are there, an index of an earlier merge must not make them one checkpoint.
  await rm(join(folder, INDEX), { force: true });
  for (const from of copies) await replaceFile(join(folder, basename(from)), await readFile(from));
  const files: string[] = [];
  let bytes = 0;
  const count = Math.max(1, ...shards.values());
  const weightMap: Record<string, string> = {};
  for (let shard = 1; shard <= count; shard++) {
    const name = shards.size > 0 ? shardName(shard, count) : SINGLE;
    const held = [...tensors].filter(([tensor]) => count === 1 || (shards.get(tensor) ?? count) === shard);
    for (const [tensor] of held) weightMap[tensor] = name;
    const file = join(folder, name);
    await writeSafetensors(file, new Map(held), { format: "pt", ...metadata });
    files.push(file);
    bytes += (await stat(file)).size;
  }
  if (shards.size > 0) {
    const total = [...tensors.values()].reduce((sum, tensor) => sum + byteLengthOf(tensor), 0);
    const index = { metadata: { total_size: total, ...metadata }, weight_map: weightMap };
    await replaceFile(join(folder, INDEX), `${JSON.stringify(index, null, 2)}\n`);
    files.push(join(folder, INDEX));
  }
  return { bytes, checkpoint: { files, copied: copies.map((from) => basename(from)), leftOut } };
}
