import { isJsonArray, isJsonObject, type Json, type JsonObject } from "./json";

/** A configuration that says what cannot be: named at the layer it belongs to. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** What a layer needs that cannot be computed here; the layer is listed, and what depends on it is not traced. */
export class Untraceable extends Error {
  override readonly name = "Untraceable";

  /** `shape` of the output, when it is known all the same. */
  constructor(
    message: string,
    readonly shape?: readonly number[],
  ) {
    super(message);
  }
}

/** No dimension, filter count or kernel size of a real layer comes near it. */
const MAX_COUNT = 2 ** 31;

/** Typed access to a layer's `config`, with Keras's defaults given by the caller. */
export class Config {
  constructor(readonly json: JsonObject) {}

  get(key: string): Json | undefined {
    return this.json[key];
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.json[key];
    if (value === undefined || value === null) return fallback;
    if (typeof value !== "boolean") throw new ConfigError(`${key} must be true or false`);
    return value;
  }

  text(key: string, fallback: string): string {
    const value = this.json[key];
    if (value === undefined || value === null) return fallback;
    if (typeof value !== "string") throw new ConfigError(`${key} must be a string`);
    return value;
  }

  number(key: string, fallback: number): number {
    const value = this.json[key];
    if (value === undefined || value === null) return fallback;
    if (typeof value !== "number" || !Number.isFinite(value)) throw new ConfigError(`${key} must be a number`);
    return value;
  }

  /** A whole number of 1 or more. */
  count(key: string, fallback?: number): number {
    const value = this.json[key] ?? fallback;
    if (!isCount(value)) throw new ConfigError(`${key} must be a whole number of 1 or more`);
    return value;
  }

  /** A number for each of `rank` spatial dimensions, given as one or as a list. */
  counts(key: string, rank: number, fallback: number): number[] {
    const value = this.json[key] ?? fallback;
    const list = isJsonArray(value) ? value : new Array<Json>(rank).fill(value);
    const whole = list.filter(isCount);
    if (list.length !== rank || whole.length !== rank) {
      throw new ConfigError(`${key} must be ${rank === 1 ? "a whole number" : `${rank} whole numbers`} of 1 or more`);
    }
    return whole;
  }

  /** Dimensions without the batch; `undefined` where the model leaves one open. */
  dims(key: string): (number | undefined)[] | undefined {
    return dimsOf(this.json[key]);
  }
}

function isCount(value: Json | undefined): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value < MAX_COUNT;
}

/** A shape with `null` for open dimensions; `undefined` when it is none. */
export function dimsOf(value: Json | undefined): (number | undefined)[] | undefined {
  if (typeof value === "number") return isCount(value) ? [value] : undefined;
  if (!isJsonArray(value) || value.length > 16) return undefined;
  const dims: (number | undefined)[] = [];
  for (const dim of value) {
    if (dim === null || dim === -1) dims.push(undefined);
    else if (isCount(dim)) dims.push(dim);
    else return undefined;
  }
  return dims;
}

/** A class by name, or as `{class_name, config}`: initializers, activations, dtype policies. */
export function namedObject(value: Json | undefined): { name: string; config: Config } | undefined {
  if (typeof value === "string") return { name: value, config: new Config({}) };
  if (!isJsonObject(value)) return undefined;
  // A function is {"class_name": "function", "config": "relu"}.
  if (typeof value.config === "string") return { name: value.config, config: new Config({}) };
  if (typeof value.class_name !== "string") return undefined;
  return { name: value.class_name, config: new Config(isJsonObject(value.config) ? value.config : {}) };
}
