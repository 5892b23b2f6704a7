import type { DType } from "../../../../../formats/dtype";
import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import type { Runtime } from "../../../values/values";

/**
 * Random numbers that forward draws. A graph is deterministic, so they are its inputs, which the runner draws from a
 * seed for each run, like dropout's masks.
 */

/** Standard normal numbers, or uniform ones in [0, 1). */
export function noise(
  distribution: "normal" | "uniform",
  shape: readonly number[],
  dtype: DType,
  runtime: Runtime,
): Node {
  const name = runtime.random.noiseName();
  runtime.problem(
    `random numbers in forward are an input of the graph here (${name}): each run draws new ones from its seed, and they differ from PyTorch's`,
    "information",
  );
  return build.cast(build.input(name, shape, "float32", undefined, distribution), dtype);
}

/** Uniform numbers away from 0, whose logarithm is finite. */
export function openUniform(shape: readonly number[], dtype: DType, runtime: Runtime): Node {
  const drawn = noise("uniform", shape, "float32", runtime);
  return build.cast(build.binary("maximum", drawn, build.scalar(2 ** -24)), dtype);
}

/** Samples of the standard Gumbel distribution, -log(-log(u)): the largest of logits plus these is a draw from them. */
export function gumbel(shape: readonly number[], dtype: DType, runtime: Runtime): Node {
  const { unary } = build;
  const inner = unary("neg", unary("log", openUniform(shape, "float32", runtime)));
  // u just below 1 has -log(u) of 2^-24.
  const open = build.binary("maximum", inner, build.scalar(2 ** -24));
  return build.cast(unary("neg", unary("log", open)), dtype);
}
