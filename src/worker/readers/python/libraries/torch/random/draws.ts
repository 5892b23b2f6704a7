import type { Initializer } from "../../../../model";

/**
 * Random numbers taken from PyTorch's generator while a model is constructed. PyTorch has one stream, so a value that is
 * overwritten or thrown away still moves it on: every draw is logged, in order, and `initialize` replays the log.
 */
export interface Draw {
  readonly order: number;
  readonly distribution: "uniform" | "normal";
  /** Numbers drawn. A dimension that could not be evaluated makes it undefined: nothing after it can be reproduced. */
  readonly size: number | undefined;
}

/** Of a tensor whose value is random numbers: the draw it came from and the distribution it has now. */
export interface RandomValue {
  readonly draw: Draw;
  readonly initializer: Extract<Initializer, { kind: "uniform" | "normal" }>;
}

/** The random numbers of one reading. */
export class RandomNumbers {
  private nextOrder = 0;
  private log: Draw[] | undefined;
  private noises = 0;

  /** Runs `body`, a model's construction, and returns what it drew. */
  record<T>(body: () => T): { readonly value: T; readonly draws: readonly Draw[] } {
    const outer = this.log;
    const draws: Draw[] = [];
    this.log = draws;
    try {
      return { value: body(), draws };
    } finally {
      this.log = outer;
      outer?.push(...draws);
    }
  }

  /** A place in the order of creation, for values that are not drawn. */
  creationOrder(): number {
    return this.nextOrder++;
  }

  /** The number that the next value will have in the order of creation. */
  get nextCreation(): number {
    return this.nextOrder;
  }

  /**
   * Takes the same numbers once more, as a second construction does: `draws` are the first's, which made what is numbered
   * from `first` up to `end`. Gives by how much the numbers of the second are greater.
   */
  drawAgain(draws: readonly Draw[], first: number, end: number): number {
    const shift = this.nextOrder - first;
    for (const each of draws) this.log?.push(shifted(each, shift));
    this.nextOrder += end - first;
    return shift;
  }

  draw(initializer: RandomValue["initializer"], size: number | undefined): RandomValue {
    const entry: Draw = { order: this.nextOrder++, distribution: initializer.kind, size };
    this.log?.push(entry);
    return { draw: entry, initializer };
  }

  /** Called at the start of a trace, so that a graph's noise has the same names whenever it is traced. */
  resetNoise(): void {
    this.noises = 0;
  }

  /** The name of the input that the next random numbers of a trace are. */
  noiseName(): string {
    return `noise.${this.noises++}`;
  }
}

export function shifted(entry: Draw, shift: number): Draw {
  return { ...entry, order: entry.order + shift };
}
