import { RandomNumbers } from "../libraries/torch/random/draws";
import { itself } from "./equality";
import type { Value } from "./values";

/** What one reading keeps for itself, its traces included: two readings of one process see nothing of each other's. */
export class ReadingSession {
  readonly random = new RandomNumbers();
  /** How often the statements of compiled loops, or a whole comprehension, were left to the evaluator. */
  readonly leftPlain = new Map<object, number[]>();
  private readonly ids = new WeakMap<object, number>();
  private numbered = 0;

  /** Python's id(): a number that stands for the object itself. */
  idOf(given: Extract<Value, object>): number {
    const value = itself(given);
    const id = this.ids.get(value) ?? ++this.numbered;
    this.ids.set(value, id);
    return id;
  }
}
