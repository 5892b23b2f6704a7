import type { Scope } from "../evaluate/scope";
import { assignedTargets } from "../syntax/assigned";
import type { Stmt } from "../syntax/ast";
import { namesMentionedBy, rootName } from "../syntax/walk";
import type { PyClass } from "../values/values";

/** What they mention is used when they are called. */
const DEFINITIONS = new Set<Stmt["kind"]>(["Function", "Class"]);

/**
 * Which configuration files values come from. Dictionaries that were read from a file say when they are asked
 * (`FileEntries`); names that a module's top level gives such values are remembered, because a number does not know
 * where it is from.
 */
export class Provenance {
  /** Files that the top level of the file that is read constructs classes with. */
  readonly constructed = new Map<PyClass, ReadonlySet<string>>();
  private collecting: Set<string>[] = [];
  private readonly names = new Map<Scope, Map<string, ReadonlySet<string>>>();

  /** A value of the file is used. */
  touch(file: string): void {
    for (const set of this.collecting) set.add(file);
  }

  /** Runs `body` and gives the files whose values it used. */
  during<T>(body: () => T): { readonly value: T; readonly files: ReadonlySet<string> } {
    const files = new Set<string>();
    this.collecting.push(files);
    try {
      return { value: body(), files };
    } finally {
      this.collecting = this.collecting.filter((set) => set !== files);
    }
  }

  /** The names of the module's scope were given values of the files. */
  assigned(scope: Scope, names: Iterable<string>, files: ReadonlySet<string>): void {
    const known = this.names.get(scope) ?? new Map<string, ReadonlySet<string>>();
    for (const name of names) {
      if (files.size === 0) known.delete(name);
      else known.set(name, files);
    }
    if (known.size > 0) this.names.set(scope, known);
  }

  /** Runs a statement at the top of the scope's module, and remembers what it gives names values of. */
  statement<T>(scope: Scope, statement: Stmt, body: () => T): T {
    const { value, files } = this.during(() => {
      const result = body();
      if (this.names.has(scope) && !DEFINITIONS.has(statement.kind)) this.mention(scope, namesMentionedBy(statement));
      return result;
    });
    if (files.size > 0 || this.names.has(scope)) {
      const targets = assignedTargets([statement]).map(rootName);
      this.assigned(
        scope,
        targets.filter((name) => name !== undefined),
        files,
      );
    }
    return value;
  }

  /** The names of the module's scope are used. */
  mention(scope: Scope, names: Iterable<string>): void {
    const known = this.names.get(scope);
    if (!known) return;
    for (const name of names) for (const file of known.get(name) ?? []) this.touch(file);
  }
}
