import { UserError } from "./errors";
import { float32, type Tensor } from "./tensor";

/** HDF5 files through h5wasm, the reference library compiled to WebAssembly. A file is held in memory while it is read. */

/** WebAssembly's memory ends at 4 GiB, and the file and a tensor of it must both fit. */
export const MAX_HDF5_BYTES = 2 ** 31 - 1;
const MAX_NAMES = 200_000;

type Library = typeof import("h5wasm/node");

/**
 * A dataset of numbers that is not read yet. Its shape is to be compared first: a chunked dataset may declare any shape
 * without storing anything.
 */
export interface Hdf5Dataset {
  readonly shape: readonly number[];
  /** Its values as float32. */
  read(): Tensor;
}

let opened = 0;

export class Hdf5 {
  private constructor(
    private readonly library: Library,
    private readonly file: string,
    private readonly root: InstanceType<Library["File"]>,
  ) {}

  /** Reads the bytes as an HDF5 file, hands it to `body` and frees it. Errors name `file`. */
  static async read<T>(file: string, bytes: Uint8Array, body: (hdf5: Hdf5) => T): Promise<T> {
    if (bytes.length > MAX_HDF5_BYTES) {
      throw new UserError(`${file} has ${bytes.length} bytes, more than the ${MAX_HDF5_BYTES} allowed for HDF5`, {
        file,
      });
    }
    if (!hasSignature(bytes))
      throw new UserError(`${file} is not a readable HDF5 file: it lacks HDF5's signature`, { file });
    const library = await import("h5wasm/node");
    const { FS, activate_throwing_error_handler: throwErrors } = await library.ready;
    // Otherwise it prints its errors to the process's own stderr, and goes on with a file that it did not open.
    throwErrors();
    const name = `/lora-lens-${opened++}.h5`;
    try {
      FS.writeFile(name, bytes);
      const hdf5 = guarded(file, () => new Hdf5(library, file, new library.File(name, "r")));
      try {
        return body(hdf5);
      } finally {
        guarded(file, () => hdf5.root.close());
      }
    } finally {
      if (FS.analyzePath(name, false).exists) FS.unlink(name);
    }
  }

  /** Names of what a group holds, in the file's order; none when there is no such group. */
  children(path: string): string[] {
    return this.guarded(() => {
      const entity = this.entity(path);
      const names = entity instanceof this.library.Group ? entity.keys() : [];
      if (names.length > MAX_NAMES) throw new UserError(`${this.file}: ${path} has ${names.length} members`);
      return names;
    });
  }

  /** An attribute's text, or list of texts; undefined when there is none. Keras splits long lists: `name0`, `name1`. */
  texts(path: string, name: string): string[] | undefined {
    return this.guarded(() => {
      const entity = this.entity(path);
      if (!(entity instanceof this.library.Group || entity instanceof this.library.Dataset)) return undefined;
      const whole = entity.attrs[name];
      if (whole) return textsOf(whole.value);
      const parts: string[] = [];
      for (let i = 0; entity.attrs[`${name}${i}`]; i++) parts.push(...textsOf(entity.attrs[`${name}${i}`]!.value));
      return parts.length > 0 ? parts : undefined;
    });
  }

  /** A dataset; undefined when there is none. */
  dataset(path: string): Hdf5Dataset | undefined {
    return this.guarded(() => {
      const entity = this.entity(path);
      if (!(entity instanceof this.library.Dataset)) return undefined;
      const shape = entity.shape ?? [];
      return { shape, read: () => this.guarded(() => this.numbers(path, shape, entity.value)) };
    });
  }

  private numbers(path: string, shape: readonly number[], value: unknown): Tensor {
    if (typeof value === "number" || typeof value === "bigint") return float32(shape, [Number(value)]);
    if (!ArrayBuffer.isView(value)) throw new UserError(`${this.file}: "${path}" holds no numbers`);
    return float32(shape, Float32Array.from(value as Float32Array, Number));
  }

  private entity(path: string) {
    return path === "/" ? this.root : this.root.get(path);
  }

  private guarded<T>(body: () => T): T {
    return guarded(this.file, body);
  }
}

/** Eight bytes at the start, or at 512, 1024, 2048, ... where a user block precedes them. */
function hasSignature(bytes: Uint8Array): boolean {
  const signature = Buffer.from("\x89HDF\r\n\x1a\n", "latin1");
  for (let at = 0; at + 8 <= bytes.length; at = at === 0 ? 512 : 2 * at) {
    if (signature.equals(bytes.subarray(at, at + 8))) return true;
  }
  return false;
}

/** `  #013: path/H5Ocache.c line 1101 in H5O__prefix_deserialize(): bad object header version number` */
const TRACE_LINE = /^ *#\d+: .*? in \w+\(\): (.*)$/gm;

/** The library throws plain errors for what is wrong with a file: the innermost line of its own trace says what. */
function guarded<T>(file: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof UserError) throw error;
    const { message } = error as Error;
    const reason = [...message.matchAll(TRACE_LINE)].at(-1)?.[1] ?? message;
    throw new UserError(`${file} is not a readable HDF5 file: ${reason}; save or download it again`, { file });
  }
}

function textsOf(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (value instanceof Uint8Array) return [new TextDecoder().decode(value)];
  return Array.isArray(value) ? value.flatMap(textsOf) : [];
}
