/**
 * What readings leave to those after them: texts of files that have not changed, lists of a project's files, what an
 * open file was read to be. It belongs to whoever reads many files, such as the reading thread; a reading that is given
 * none begins with an empty one. Each part of the readers keeps its own there, as an instance of its own class.
 */
export class ReaderMemory {
  private readonly parts = new Map<Part<object>, object>();

  /** The one instance of the class. */
  of<T extends object>(part: Part<T>): T {
    const known = this.parts.get(part);
    if (known) return known as T;
    const made = new part(this);
    this.parts.set(part, made);
    return made;
  }
}

type Part<T> = new (memory: ReaderMemory) => T;
