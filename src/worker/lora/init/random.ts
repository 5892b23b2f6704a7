import { drawn, uniform } from "./draws";
import type { Initialization } from "./initialization";

/**
 * A and B as torch.nn.Linear draws its weight: B uniform in ±1/sqrt(r), so that the adapter has an effect at once. None, 0,
 * "" and an empty list count as false in Python.
 */
export const RANDOM: Initialization = {
  name: "false",
  takes: (value) => value !== undefined && (!value || (Array.isArray(value) && value.length === 0)),
  begins: { a: "Kaiming uniform", b: "Kaiming uniform" },
  identity: false,
  draw: (shape, random) => {
    const { a } = uniform(shape, random);
    const bound = 1 / Math.sqrt(shape.rank);
    return { a, b: drawn(shape.outFeatures * shape.rank, () => random.uniform(-bound, bound)) };
  },
};
