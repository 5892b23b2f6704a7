import { open, realpath, rm } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { UserError } from "../../formats/errors";
import { EXTERNAL, ONNX_DTYPE, type TensorProto } from "../../formats/onnx";
import { loadTensor } from "../../formats/safetensors";
import { makeTemporaryFolder } from "../../formats/temporary";
import { allocate, byteLengthOf, bytesOf, type DerivedTensor, type Tensor } from "../../formats/tensor";
import type { Graph } from "../../graph/graph";
import type { ParameterValue } from "../engine";
import { requireValue } from "../parameters";

/** A model's weights as ONNX initializers. */
export interface BoundWeights {
  readonly initializers: readonly TensorProto[];
  /** The folder that external data's locations are relative to; undefined when there is none. */
  readonly folder: string | undefined;
  /** Removes what was written; call it once the session exists or has failed. */
  release(): Promise<void>;
}

/** A protobuf message may not exceed 2 GiB; beyond this many bytes weights in memory go through a temporary file. */
const INLINE_LIMIT = 1 << 30;

/**
 * Binds each parameter of the graph. A tensor in a file becomes external data at its own bytes: ONNX Runtime maps them,
 * nothing is copied. All files are named relative to their nearest common folder, which the session is told.
 *
 * Throws a UserError when a parameter has no value or one of another shape or dtype.
 */
export async function bindWeights(
  graph: Graph,
  names: ReadonlyMap<string, string>,
  values: ReadonlyMap<string, ParameterValue>,
): Promise<BoundWeights> {
  const inMemory: [string, Tensor | DerivedTensor][] = [];
  const inFiles: { name: string; file: string; offset: number; value: ParameterValue }[] = [];
  const realPaths = new Map<string, Promise<string>>();
  for (const node of graph.parameters) {
    const { path } = node.attrs;
    const value = requireValue(path, node, values);
    const name = names.get(path)!;
    if (!("file" in value)) inMemory.push([name, value]);
    // Of external data without a length all the rest of the file is read.
    else if (byteLengthOf(value) === 0) inMemory.push([name, allocate(value.dtype, value.shape)]);
    else {
      // Data that a symbolic link leads out of the folder is refused, so the link is followed here.
      const real = realPaths.get(value.file) ?? realpath(value.file);
      realPaths.set(value.file, real);
      inFiles.push({ name, file: await real, offset: value.offset, value });
    }
  }

  let temporary: string | undefined;
  if (inMemory.reduce((n, [, tensor]) => n + byteLengthOf(tensor), 0) > INLINE_LIMIT) {
    temporary = await makeTemporaryFolder();
    const file = join(temporary, "weights.bin");
    const offsets = await writeAll(
      file,
      inMemory.map(([, tensor]) => tensor),
    );
    for (const [i, [name, value]] of inMemory.splice(0).entries())
      inFiles.push({ name, file, offset: offsets[i]!, value });
  }
  const inline: [string, Tensor][] = [];
  for (const [name, value] of inMemory) inline.push([name, await loadTensor(value)]);

  const folder = inFiles.length > 0 ? commonFolder(inFiles.map(({ file }) => file)) : undefined;
  return {
    folder,
    initializers: [
      ...inline.map(([name, { dtype, shape, data }]) => ({
        name,
        dims: [...shape],
        dataType: ONNX_DTYPE[dtype],
        rawData: bytesOf({ dtype, shape, data }),
      })),
      ...inFiles.map(({ name, file, offset, value }) => ({
        name,
        dims: [...value.shape],
        dataType: ONNX_DTYPE[value.dtype],
        dataLocation: EXTERNAL,
        externalData: [
          { key: "location", value: relative(folder!, file).split(sep).join("/") },
          { key: "offset", value: String(offset) },
          { key: "length", value: String(byteLengthOf(value)) },
        ],
      })),
    ],
    release: async () => {
      if (temporary) await rm(temporary, { recursive: true, force: true });
    },
  };
}

/** Throws a UserError when the files lie on different drives, which have no folder in common. */
function commonFolder(files: readonly string[]): string {
  let folder = dirname(files[0]!);
  for (const file of files) {
    while (relative(folder, file).startsWith("..")) {
      const parent = dirname(folder);
      if (parent === folder) throw notOneDrive(files);
      folder = parent;
    }
    if (relative(folder, file) === file) throw notOneDrive(files);
  }
  return folder;
}

function notOneDrive(files: readonly string[]): UserError {
  return new UserError(`the weight files ${[...new Set(files)].join(", ")} are on different drives: move them to one`);
}

/** Writes tensors one after the other, each on a page of its own, and returns their offsets. */
async function writeAll(file: string, tensors: readonly (Tensor | DerivedTensor)[]): Promise<number[]> {
  const PAGE = 4096;
  const handle = await open(file, "wx");
  try {
    let offset = 0;
    const offsets: number[] = [];
    for (const tensor of tensors) {
      offsets.push(offset);
      const bytes = bytesOf(await loadTensor(tensor));
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await handle.write(bytes, done, Math.min(bytes.length - done, 1 << 30), offset + done);
        done += bytesWritten;
      }
      offset = Math.ceil((offset + bytes.length) / PAGE) * PAGE;
    }
    return offsets;
  } finally {
    await handle.close();
  }
}
