import { PyClass, PyFunction, type PyNamespace, PyNative, type Value } from "../values/values";

/**
 * What the code has assigned to names of modules that it imports: `lit.model.Attention = LoRAAttention`. Modules are
 * shared, torch's own by all readings, so that nothing is changed in them: what is assigned lies over their names, for
 * as long as the reading lasts, or the trial that assigned it.
 */

type Names = ReadonlyMap<string, Value>;
export type Overlay = ReadonlyMap<PyNamespace | PyClass, Names>;

interface Change {
  readonly undo: () => void;
  readonly redo: () => void;
}

/** A moment to go back to. */
export interface PatchMark {
  readonly overlay: Overlay;
  readonly changes: number;
  readonly replaced: number;
}

/** Patches made since a moment, for applying them again. */
export interface Applied {
  readonly overlay: Overlay;
  readonly changes: readonly Change[];
  /** A class or a function is among them. */
  readonly code: boolean;
}

const NOTHING: ReadonlyMap<PyNamespace | PyClass, Names> = new Map();

export class Patches {
  /** The patched names; a new map after each assignment. */
  overlay: Overlay = NOTHING;
  /** Of names that are the reading's own. */
  private readonly changes: Change[] = [];
  /** How often a class or a function of another module was replaced. */
  replaced = 0;

  /** `restored` is called before names mean again what they did. */
  constructor(private readonly restored: () => void) {}

  get(of: PyNamespace | PyClass, name: string): Value | undefined {
    return this.overlay.size === 0 ? undefined : this.overlay.get(of)?.get(name);
  }

  set(of: PyNamespace | PyClass, name: string, value: Value): void {
    this.overlay = new Map(this.overlay).set(of, new Map(this.overlay.get(of)).set(name, value));
  }

  /** In place, where the names are the reading's own. Undefined deletes. */
  change(names: Map<string, Value>, name: string, value: Value | undefined): void {
    const before = names.get(name);
    const put = (given: Value | undefined) => () => {
      if (given === undefined) names.delete(name);
      else names.set(name, given);
    };
    const change = { undo: put(before), redo: put(value) };
    change.redo();
    this.changes.push(change);
  }

  /** As findMember has it, with what was assigned to classes of torch. */
  member(type: PyClass, name: string): Value | undefined {
    for (const base of type.mro) {
      const member = this.get(base, name) ?? base.members.get(name);
      if (member !== undefined) return member;
    }
    return undefined;
  }

  mark(): PatchMark {
    return { overlay: this.overlay, changes: this.changes.length, replaced: this.replaced };
  }

  restore({ overlay, changes }: PatchMark): void {
    if (overlay !== this.overlay || changes < this.changes.length) this.restored();
    this.overlay = overlay;
    for (const { undo } of this.changes.splice(changes).reverse()) undo();
  }

  /** Undefined when nothing was. */
  since({ overlay, changes, replaced }: PatchMark): Applied | undefined {
    const later = this.changes.slice(changes);
    if (overlay === this.overlay && later.length === 0) return undefined;
    return { overlay: this.overlay, changes: later, code: replaced !== this.replaced };
  }

  /** Runs `body` as it ran after those patches; its own end with it. */
  during<T>(applied: Applied | undefined, body: () => T): T {
    return this.trial(() => {
      if (applied) this.overlay = applied.overlay;
      for (const change of applied?.changes ?? []) {
        change.redo();
        this.changes.push(change);
      }
      return body();
    });
  }

  /**
   * Runs statements of a module with the names of modules as they were when it was imported. They run once: what they
   * make of their own classes outlasts the trial in which somebody asked for it.
   */
  at<T>(overlay: Overlay, body: () => T): T {
    const [outer, { length }] = [this.overlay, this.changes];
    this.overlay = overlay;
    try {
      return body();
    } finally {
      this.overlay = outer;
      this.changes.splice(length);
    }
  }

  /** Runs `body`, whose patches end with it. */
  trial<T>(body: () => T): T {
    const mark = this.mark();
    try {
      return body();
    } finally {
      this.restore(mark);
    }
  }
}

/** A value that matters for models, unlike a flag such as torch.backends.cudnn.benchmark. */
export function isCode(value: Value | undefined): boolean {
  return value instanceof PyClass || value instanceof PyFunction || value instanceof PyNative;
}
