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

let nextOrder = 0;
let log: Draw[] | undefined;

/** Runs `body`, a model's construction, and returns what it drew. */
export function recordDraws<T>(body: () => T): { readonly value: T; readonly draws: readonly Draw[] } {
  const outer = log;
  const draws: Draw[] = [];
  log = draws;
  try {
    return { value: body(), draws };
  } finally {
    log = outer;
    outer?.push(...draws);
  }
}

/** A place in the order of creation, for values that are not drawn. */
export function creationOrder(): number {
  return nextOrder++;
}

/** The number that the next value will have in the order of creation. */
export function nextCreation(): number {
  return nextOrder;
}

/**
 * Takes the same numbers once more, as a second construction does: `draws` are the first's, which made what is numbered
 * from `first` up to `end`. Gives by how much the numbers of the second are greater.
 */
export function drawAgain(draws: readonly Draw[], first: number, end: number): number {
  const shift = nextOrder - first;
  for (const each of draws) log?.push(shifted(each, shift));
  nextOrder += end - first;
  return shift;
}

export function shifted(entry: Draw, shift: number): Draw {
  return { ...entry, order: entry.order + shift };
}

export function draw(initializer: RandomValue["initializer"], size: number | undefined): RandomValue {
  const entry: Draw = { order: nextOrder++, distribution: initializer.kind, size };
  log?.push(entry);
  return { draw: entry, initializer };
}
