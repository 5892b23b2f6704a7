/**
 * Numbers of the values that a process makes, in their order. They are compared with each other and nothing else is
 * made of them, so that no reading sees how many were made before it. Values are made everywhere, also where there is
 * no reading: that is why the count is no reading's.
 */
let births = 0;

/** What can change is numbered as it is made: what was there before something else has the smaller number. */
export function birth(): number {
  return births++;
}

/** A value that, as a key of a dictionary, is equal to itself alone. */
export abstract class Distinct {
  private number?: number;

  /** Stands for the value itself. */
  get identity(): number {
    this.number ??= birth();
    return this.number;
  }
}
