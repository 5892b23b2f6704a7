import { type UnzipFileInfo, unzipSync } from "fflate";
import { UserError } from "./errors";

/** Zip archives that are held in memory and whose members may be compressed. What the directory says is not trusted. */

export type ZipMember = Pick<UnzipFileInfo, "name" | "originalSize">;

/** An archive, and what its messages call it. */
export interface Archive {
  readonly file: string;
  readonly bytes: Uint8Array;
  /** ".npz file" */
  readonly kind: string;
  /** Zip's 64-bit directory may state 2^64 entries in a hundred bytes, and nothing but this would end going through them. */
  readonly maxEntries: number;
}

/** What the archive lists, in its order; a name may stand there twice. */
export function membersOf(archive: Archive): ZipMember[] {
  const members: ZipMember[] = [];
  unzip(archive, (member) => {
    members.push(member);
    return false;
  });
  return members;
}

/** The bytes of the first member of the name, which `maxBytes` bounds before they are unpacked; undefined for none. */
export function unpackMember(archive: Archive, name: string, maxBytes: number): Uint8Array | undefined {
  let found: ZipMember | undefined;
  const members = unzip(archive, (member) => {
    // A directory that lists one member many times would have it unpacked as often.
    if (found || member.name !== name) return false;
    found = member;
    if (member.originalSize > maxBytes) {
      const { file } = archive;
      throw new UserError(`${file}: ${name} has ${member.originalSize} bytes, more than the ${maxBytes} allowed`, {
        file,
      });
    }
    return true;
  });
  const bytes = found && members[name];
  // Space for the declared size is made beforehand and does not grow, so a false declaration gains nothing.
  if (bytes && bytes.length !== found?.originalSize) {
    throw new UserError(`${archive.file}: "${name}" is damaged; save it again`, { file: archive.file });
  }
  return bytes;
}

function unzip({ file, bytes, kind, maxEntries }: Archive, filter: (member: ZipMember) => boolean) {
  let entries = 0;
  try {
    return unzipSync(bytes, {
      filter: (member) => {
        if (++entries > maxEntries) {
          throw new UserError(`${file} lists more than ${maxEntries} entries, the most allowed`, { file });
        }
        return filter(member);
      },
    });
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${file} is not a readable ${kind} (${(error as Error).message}); save it again`, { file });
  }
}
