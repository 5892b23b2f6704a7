import { UserError } from "../../formats/errors";
import { readBytes } from "../../formats/files";
import { Hdf5, MAX_HDF5_BYTES } from "../../formats/hdf5";
import { unpackMember } from "../../formats/unzip";

/** Keras's binary containers: .keras archives (zip) and .h5 files. */

const MAX_CONFIG_BYTES = 32 * 1024 * 1024;
/** An archive has three members, and the files that a model of the user's own classes adds. */
const MAX_ENTRIES = 10_000;

export function isKerasArchive(file: string): boolean {
  return file.toLowerCase().endsWith(".keras");
}

export function isHdf5(file: string): boolean {
  return /\.(h5|hdf5)$/i.test(file);
}

/** A member of a .keras archive; undefined when it has none of the name. */
export async function archiveMember(file: string, name: string, maxBytes: number): Promise<Uint8Array | undefined> {
  const bytes = await readBytes(file, MAX_HDF5_BYTES, "larger models are not read");
  return unpackMember({ file, bytes, kind: ".keras archive", maxEntries: MAX_ENTRIES }, name, maxBytes);
}

/** The architecture a container holds, as JSON. Throws a UserError when it holds weights only. */
export async function architectureText(file: string): Promise<string> {
  if (isKerasArchive(file)) {
    const config = await archiveMember(file, "config.json", MAX_CONFIG_BYTES);
    if (!config) throw new UserError(`${file} is not a Keras 3 archive: it has no config.json`, { file });
    return new TextDecoder().decode(config);
  }
  const bytes = await readBytes(file, MAX_HDF5_BYTES, "larger models are not read");
  const [config, version] = await Hdf5.read(file, bytes, (hdf5) => [
    hdf5.texts("/", "model_config")?.[0],
    hdf5.texts("/", "keras_version")?.[0],
  ]);
  if (config === undefined) {
    throw new UserError(
      `${file} holds weights without an architecture: open the model's JSON or .keras file and give these as --weights`,
      { file },
    );
  }
  // Wrapped as TensorFlow.js wraps it, so that the version is known.
  return `{"model_config":${config},"keras_version":${JSON.stringify(version ?? "2")}}`;
}
