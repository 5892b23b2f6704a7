import type { SourcePlace } from "../../../graph/node";
import type { Problem } from "../../model";

/** The problems that a reading finds, each once. */
export class Reports {
  /** In the order in which they were found. */
  readonly problems: Problem[] = [];
  /** Problems that hold regardless of how the code was reached; trials do not drop them. */
  private readonly held = new Map<string, Problem>();
  private seen = new Set<string>();

  add(problem: Problem): void {
    const key = keyOf(problem);
    if (this.seen.has(key)) return;
    this.seen.add(key);
    this.problems.push(problem);
  }

  hold(problem: Problem): void {
    this.held.set(keyOf(problem), problem);
  }

  get certain(): readonly Problem[] {
    return [...this.held.values()];
  }

  /** Runs `body` and gives the problems it found apart from the others. */
  collect(body: () => void): Problem[] {
    const before = this.problems.length;
    const outer = this.seen;
    this.seen = new Set();
    try {
      body();
    } finally {
      this.seen = outer;
    }
    return this.problems.splice(before);
  }
}

function keyOf({ place, message }: { readonly place: SourcePlace; readonly message: string }): string {
  return `${place.line}:${place.column}:${message}`;
}
