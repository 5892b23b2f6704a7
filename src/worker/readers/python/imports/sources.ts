import { readFileSync, statSync } from "node:fs";
import { UserError } from "../../../formats/errors";
import { readNotebook } from "../../notebook/cells";
import { joined, namesOfIPython, openedBy } from "../../notebook/joined";
import { outline, type TopStatement } from "../syntax/outline";
import { MAX_SOURCE_LENGTH } from "../syntax/parse";
import { Source } from "../syntax/source";
import type { Unknown } from "../values/unknown";
import type { Value } from "../values/values";

/** UTF-16 units of text, of which the syntax takes some twenty times as many bytes. */
const MAX_KEPT = 16 * 1024 * 1024;
/** Bytes of a notebook that others are read with: most of a long one is pictures. */
export const MAX_NOTEBOOK = 4 * 1024 * 1024;
const NO_NAMES: ReadonlyMap<string, Value> = new Map();

export interface ModuleSource {
  readonly source: Source;
  /** Names that it has before its first statement: of a notebook, those of IPython. */
  readonly defined: ReadonlyMap<string, Value>;
  /** Why it may have others. */
  readonly unfollowed: Unknown | undefined;
  /** Parsed when it is asked for. */
  readonly statements: readonly TopStatement[];
}

/** Files that imports led to, each with what it was like then. */
export type Imported = ReadonlyMap<string, string | undefined>;

/** What changes whenever the file does; undefined when it is not there. */
export function stateOf(file: string): string | undefined {
  try {
    const found = statSync(file, { throwIfNoEntry: false });
    return found && `${found.mtimeMs} ${found.size}`;
  } catch (error) {
    // A folder may be listed that may not be entered.
    if (isFileError(error)) return undefined;
    throw error;
  }
}

interface Kept extends ModuleSource {
  readonly modified: number;
  readonly size: number;
}

/** Texts of imported modules with their syntax, kept while their files do not change. */
export class ModuleSources {
  /** In order of use. */
  private readonly kept = new Map<string, Kept>();
  private total = 0;

  /** The file's source; undefined when it cannot be read or is too long to be code that somebody wrote. */
  of(file: string): ModuleSource | undefined {
    try {
      const { mtimeMs: modified, size } = statSync(file);
      const known = this.kept.get(file);
      if (known?.modified === modified && known.size === size) {
        this.kept.delete(file);
        this.kept.set(file, known);
        return known;
      }
      this.forget(file);
      const isNotebook = file.endsWith(".ipynb");
      if (size > (isNotebook ? MAX_NOTEBOOK : MAX_SOURCE_LENGTH)) return undefined;
      const text = readFileSync(file, "utf8");
      const cells = isNotebook ? readNotebook(file, text).cells : [];
      const source = isNotebook ? joined(file, cells) : new Source(file, text);
      if (source.text.length > MAX_SOURCE_LENGTH) return undefined;
      let statements: readonly TopStatement[] | undefined;
      const read: Kept = {
        source,
        defined: isNotebook ? namesOfIPython() : NO_NAMES,
        unfollowed: openedBy(cells),
        modified,
        size,
        get statements() {
          statements ??= outline(source.text, source.segments);
          return statements;
        },
      };
      this.kept.set(file, read);
      this.total += source.text.length;
      for (const oldest of this.kept.keys()) {
        if (this.total <= MAX_KEPT || oldest === file) break;
        this.forget(oldest);
      }
      return read;
    } catch (error) {
      // Unreadable is absent: Python, too, goes on to the next folder of its path. So is what is called a notebook and is none.
      if (isFileError(error) || error instanceof UserError) return undefined;
      throw error;
    }
  }

  private forget(file: string): void {
    const known = this.kept.get(file);
    if (!known) return;
    this.total -= known.source.text.length;
    this.kept.delete(file);
  }
}

function isFileError(error: unknown): boolean {
  return error instanceof Error && "code" in error && "syscall" in error;
}
