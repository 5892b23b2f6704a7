import { drawn } from "./draws";
import type { Initialization } from "./initialization";

/** A normal with standard deviation 1/r; B zero. */
export const GAUSSIAN: Initialization = {
  name: '"gaussian"',
  takes: (value) => typeof value === "string" && value.toLowerCase() === "gaussian",
  begins: { a: "normal, deviation 1/r", b: "zeros" },
  identity: true,
  draw: ({ rank, inFeatures, outFeatures }, random) => ({
    a: drawn(rank * inFeatures, () => random.normal() / rank),
    b: new Float32Array(outFeatures * rank),
  }),
};
