import { TRAIN_METHODS, type TrainMethod } from "../../protocol/training";

/** Epochs, batch size and learning rate as one line of text: what the training dialog offers and takes. */

export interface Rates {
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
}

export interface OfferedRates {
  readonly epochs: number;
  readonly batchSize: number;
  /** Of the settings; null where nobody set one. */
  readonly learningRate: number | null;
}

/** What is offered before anything is typed: where the settings name no learning rate, it is the method's own. */
export function offeredRates({ epochs, batchSize, learningRate }: OfferedRates, method: TrainMethod): Rates {
  return { epochs, batchSize, learningRate: learningRate ?? TRAIN_METHODS[method].learningRate };
}

export function ratesText({ epochs, batchSize, learningRate }: Rates): string {
  return `${epochs}, ${batchSize}, ${learningRate}`;
}

export function parseRates(text: string): Rates | undefined {
  const parts = text.split(",").map((part) => part.trim());
  const [epochs, batchSize, learningRate] = parts.map(Number);
  const whole = (n: number | undefined): n is number => n !== undefined && Number.isInteger(n) && n >= 1;
  if (parts.length !== 3 || parts.includes("") || !whole(epochs) || !whole(batchSize)) return undefined;
  if (learningRate === undefined || !(learningRate > 0 && Number.isFinite(learningRate))) return undefined;
  return { epochs, batchSize, learningRate };
}
