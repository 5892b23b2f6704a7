import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { EvaluationError, Unknown } from "../../../values/unknown";
import { PyNative, type PyObject, type PyTensor, type Runtime, type Value } from "../../../values/values";
import { norm } from "../functions/reductions";
import { axisOf, given, intArg, stringArg } from "../registry/arguments";
import { newStored } from "../tensor/parameter";
import { nodeOf } from "../tensor/tensor";
import { derive } from "./derived";
import { stateOf } from "./module";
import { bareModule, parametrizationsOf, type Subject, subjectOf } from "./parametrize";

/**
 * Weight and spectral normalization, of torch.nn.utils and of torch.nn.utils.parametrizations: a layer's weight becomes
 * a value that is computed from parameters of other names.
 */

/** Axes that are normalized over: all but `dim`; all of them with None. */
function othersThan(dim: number | undefined, rank: number): number[] {
  return Array.from({ length: rank }, (_, i) => i).filter((i) => i !== dim);
}

/** The length of each slice along `dim`, as a parameter beside `weight`: drawn with it. */
function magnitudeOf(weight: PyTensor, dim: number | undefined, runtime: Runtime): PyTensor {
  const shape = weight.shape.map((d, i) => (i === dim ? d : 1));
  const magnitude = newStored(
    dim === undefined ? [] : shape.map((d) => d ?? new Unknown("a dimension is unknown")),
    { kind: "constant", value: 1 },
    runtime,
  );
  const { stored } = weight;
  if (!stored || !magnitude.stored || shape.some((d) => d === undefined)) return magnitude;
  const { initializer, order } = stored;
  if (initializer.kind === "constant") {
    const size = othersThan(dim, weight.shape.length).reduce((n, a) => n * weight.shape[a]!, 1);
    magnitude.stored.initializer = { kind: "constant", value: Math.abs(initializer.value) * Math.sqrt(size) };
    return magnitude;
  }
  if (initializer.kind === "graph") return magnitude;
  magnitude.stored = { buffer: false, initializer, order };
  const full = weight.shape as readonly number[];
  magnitude.stored.derive = (values) => lengths(values, full, dim);
  return magnitude;
}

function lengths(values: ArrayLike<number>, shape: readonly number[], dim: number | undefined): Float32Array {
  const slices = dim === undefined ? 1 : shape[dim]!;
  const inner = dim === undefined ? values.length : shape.slice(dim + 1).reduce((n, d) => n * d, 1);
  const squares = new Float64Array(slices);
  for (let i = 0; i < values.length; i++) squares[Math.floor(i / inner) % slices]! += values[i]! ** 2;
  return Float32Array.from(squares, Math.sqrt);
}

/** g v / |v|. */
function weightNormed(v: Node, g: Node, dim: number | undefined): Node {
  return build.mul(v, build.div(g, norm(v, 2, othersThan(dim, v.shape.length), dim !== undefined)));
}

function dimOf(value: Value | undefined, rank: number): number | undefined {
  if (value === null || value === undefined || value === -1) return undefined;
  return axisOf(intArg({ dim: value }, "dim"), rank);
}

export const weightNorm = new PyNative("weight_norm", "module, name='weight', dim=0", (args, runtime) => {
  if (args.module instanceof Unknown) return args.module;
  const { module, name, weight } = subjectOf(args.module, stringArg(args, "name"), runtime);
  const dim = dimOf(args.dim, weight.shape.length);
  const { parameters } = stateOf(module, runtime);
  const magnitude = magnitudeOf(weight, dim, runtime);
  parameters.delete(name);
  parameters.set(`${name}_g`, magnitude);
  parameters.set(`${name}_v`, weight);
  derive(module, name, (r) => weightNormed(nodeOf(weight, r), nodeOf(magnitude, r), dim));
  return module;
});

/** The module `parametrizations.<name>`, which holds what a weight is computed from. */
function holderOf({ module, name }: Subject, runtime: Runtime): PyObject {
  const { modules } = stateOf(parametrizationsOf(module, runtime), runtime);
  if (modules.has(name)) {
    throw new EvaluationError("a second parametrization of one weight is not supported", runtime.place);
  }
  const holder = bareModule(runtime);
  modules.set(name, holder);
  return holder;
}

export const parametrizedWeightNorm = new PyNative("weight_norm", "module, name='weight', dim=0", (args, runtime) => {
  if (args.module instanceof Unknown) return args.module;
  const subject = subjectOf(args.module, stringArg(args, "name"), runtime);
  const { module, name, weight } = subject;
  const dim = dimOf(args.dim, weight.shape.length);
  const holder = stateOf(holderOf(subject, runtime), runtime);
  const magnitude = magnitudeOf(weight, dim, runtime);
  stateOf(module, runtime).parameters.delete(name);
  holder.parameters.set("original0", magnitude);
  holder.parameters.set("original1", weight);
  holder.modules.set("0", bareModule(runtime));
  derive(module, name, (r) => weightNormed(nodeOf(weight, r), nodeOf(magnitude, r), dim));
  return module;
});

/** W / sigma, sigma = u^T W v; in training after power iterations, whose vectors have no gradient. */
function spectrallyNormed(
  weight: Node,
  u: Node,
  v: Node,
  options: { readonly dim: number; readonly iterations: number; readonly eps: number },
): Node {
  const order = [options.dim, ...othersThan(options.dim, weight.shape.length)];
  const matrix = build.reshape(build.transpose(weight, order), [weight.shape[options.dim]!, -1]);
  const still = build.detach(matrix);
  const unit = (x: Node): Node =>
    build.div(x, build.binary("maximum", norm(x, 2, [0, 1], true), build.scalar(options.eps, x.dtype)));
  let [left, right] = [build.reshape(u, [-1, 1]), build.reshape(v, [-1, 1])];
  for (let i = 0; i < options.iterations; i++) {
    right = unit(build.matmul(still, left, { transposeA: true }));
    left = unit(build.matmul(still, right));
  }
  const sigma = build.reduceAll("sum", build.mul(left, build.matmul(matrix, right)));
  return build.div(weight, sigma);
}

/** The iterations' vectors: drawn from the normal distribution, as unit vectors. */
function direction(size: number, runtime: Runtime): PyTensor {
  const vector = newStored([size], { kind: "normal", mean: 0, std: 1 }, runtime, true);
  if (vector.stored) {
    vector.stored.derive = (values) => {
      const [length] = lengths(values, [values.length], undefined);
      return Float32Array.from(values, (value) => value / Math.max(length ?? 1, 1e-12));
    };
  }
  return vector;
}

const TRANSPOSED = /^ConvTranspose[123]d$/;
function spectral(parametrized: boolean): PyNative {
  const signature = "module, name='weight', n_power_iterations=1, eps=1e-12, dim=None";
  return new PyNative("spectral_norm", signature, (args, runtime) => {
    if (args.module instanceof Unknown) return args.module;
    const subject = subjectOf(args.module, stringArg(args, "name"), runtime);
    const { module, name, weight } = subject;
    if (weight.unknown) return weight.unknown;
    const shape = weight.shape as readonly number[];
    const kind = module.type.mro.some((type) => TRANSPOSED.test(type.name));
    const dim = given(args, "dim") ? axisOf(intArg(args, "dim"), shape.length) : kind ? 1 : 0;
    const height = shape[dim]!;
    const width = shape.reduce((n, d) => n * d, 1) / height;
    const [u, v] = [direction(height, runtime), direction(width, runtime)];
    const own = stateOf(module, runtime);
    own.parameters.delete(name);
    if (parametrized) {
      runtime.problem(
        "spectral_norm: its vectors start from random directions here, without PyTorch's 15 iterations; loaded weights replace them",
        "information",
      );
      const holder = stateOf(holderOf(subject, runtime), runtime);
      holder.parameters.set("original", weight);
      const inner = bareModule(runtime);
      holder.modules.set("0", inner);
      const { buffers } = stateOf(inner, runtime);
      buffers.set("_u", { tensor: u, persistent: true });
      buffers.set("_v", { tensor: v, persistent: true });
    } else {
      own.parameters.set(`${name}_orig`, weight);
      own.buffers.set(`${name}_u`, { tensor: u, persistent: true });
      own.buffers.set(`${name}_v`, { tensor: v, persistent: true });
    }
    const eps =
      typeof args.eps === "object" && args.eps !== null && "value" in args.eps ? Number(args.eps.value) : 1e-12;
    const iterations = intArg(args, "n_power_iterations");
    derive(module, name, (r, training) =>
      spectrallyNormed(nodeOf(weight, r), nodeOf(u, r), nodeOf(v, r), {
        dim,
        iterations: training ? iterations : 0,
        eps,
      }),
    );
    return module;
  });
}
export const spectralNorm = spectral(false);
export const parametrizedSpectralNorm = spectral(true);
