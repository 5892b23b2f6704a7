import type { Shape } from "../../graph/node";
import type { Random } from "../../numbers/random";
import type { Initializer } from "../model";
import { namedObject } from "./config";
import type { Json } from "./json";

/**
 * Keras's initializers: their distributions, not their very numbers, which depend on Keras's back end. Truncated
 * normals are drawn truncated; orthogonal ones are drawn normal with the same variance.
 */
export interface KerasInitializer {
  /** As the model states it. */
  describe(shape: Shape): Initializer;
  fill(values: Float32Array, shape: Shape, random: Random): void;
}

export const ZEROS = constantOf(0);
export const ONES = constantOf(1);

export function constantOf(value: number): KerasInitializer {
  return { describe: () => ({ kind: "constant", value }), fill: (values) => void values.fill(value) };
}

/** A bias of four gates whose second, the forget gate's, starts at one (Jozefowicz et al., 2015). */
export function forgetGateBias(units: number): KerasInitializer {
  return {
    describe: () => ({ kind: "constant", value: 0 }),
    fill: (values) => void values.fill(1, units, 2 * units),
  };
}

type Make = (
  get: (key: string, fallback: number) => number,
  text: (key: string, fallback: string) => string,
) => KerasInitializer;

const MAKERS: Readonly<Record<string, Make>> = {
  zeros: () => ZEROS,
  ones: () => ONES,
  constant: (get) => constantOf(get("value", 0)),
  random_uniform: (get) => uniform(() => [get("minval", -0.05), get("maxval", 0.05)]),
  random_normal: (get) => normal(() => get("stddev", 0.05), get("mean", 0), false),
  truncated_normal: (get) => normal(() => get("stddev", 0.05), get("mean", 0), true),
  variance_scaling: (get, text) =>
    scaled(get("scale", 1), text("mode", "fan_in"), text("distribution", "truncated_normal")),
  glorot_uniform: () => scaled(1, "fan_avg", "uniform"),
  glorot_normal: () => scaled(1, "fan_avg", "truncated_normal"),
  he_uniform: () => scaled(2, "fan_in", "uniform"),
  he_normal: () => scaled(2, "fan_in", "truncated_normal"),
  lecun_uniform: () => scaled(1, "fan_in", "uniform"),
  lecun_normal: () => scaled(1, "fan_in", "truncated_normal"),
  orthogonal: (get) => normal((shape) => get("gain", 1) / Math.sqrt(Math.max(1, shape.at(-1) ?? 1)), 0, false),
};

/** The initializer of a configuration, or `fallback` when it states none or one that is not known. */
export function initializerOf(value: Json | undefined, fallback: string): KerasInitializer {
  const named = namedObject(value);
  const maker = MAKERS[snake(named?.name ?? fallback)] ?? MAKERS[fallback]!;
  const json = named?.config.json ?? {};
  return maker(
    (key, otherwise) => (typeof json[key] === "number" ? json[key] : otherwise),
    (key, otherwise) => (typeof json[key] === "string" ? json[key] : otherwise),
  );
}

function snake(name: string): string {
  return name.replace(/([a-z])([A-Z])/g, "$1_$2").toLowerCase();
}

function uniform(bounds: (shape: Shape) => readonly [number, number]): KerasInitializer {
  return {
    describe: (shape) => ({ kind: "uniform", low: bounds(shape)[0], high: bounds(shape)[1] }),
    fill: (values, shape, random) => {
      const [low, high] = bounds(shape);
      for (let i = 0; i < values.length; i++) values[i] = random.uniform(low, high);
    },
  };
}

function normal(std: (shape: Shape) => number, mean: number, truncated: boolean): KerasInitializer {
  return {
    describe: (shape) => ({ kind: "normal", mean, std: std(shape) }),
    fill: (values, shape, random) => {
      const deviation = std(shape);
      for (let i = 0; i < values.length; i++) {
        let draw = random.normal();
        while (truncated && Math.abs(draw) > 2) draw = random.normal();
        values[i] = mean + deviation * draw;
      }
    },
  };
}

/** The standard deviation of a standard normal cut off at two deviations. */
const TRUNCATED_STD = 0.87962566103423978;

function scaled(scale: number, mode: string, distribution: string): KerasInitializer {
  const variance = (shape: Shape): number => {
    const [fanIn, fanOut] = fans(shape);
    const fan = mode === "fan_in" ? fanIn : mode === "fan_out" ? fanOut : (fanIn + fanOut) / 2;
    return scale / Math.max(1, fan);
  };
  if (distribution === "uniform") {
    return uniform((shape) => {
      const limit = Math.sqrt(3 * variance(shape));
      return [-limit, limit];
    });
  }
  // "normal" has meant the truncated one since Keras 2.
  const truncated = distribution !== "untruncated_normal";
  return normal((shape) => Math.sqrt(variance(shape)) / (truncated ? TRUNCATED_STD : 1), 0, truncated);
}

/** Keras's rule: the last two dimensions are in and out, those before them the receptive field. */
function fans(shape: Shape): [number, number] {
  if (shape.length === 0) return [1, 1];
  if (shape.length === 1) return [shape[0]!, shape[0]!];
  const field = shape.slice(0, -2).reduce((n, d) => n * d, 1);
  return [shape.at(-2)! * field, shape.at(-1)! * field];
}
