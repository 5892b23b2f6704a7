import type { VerifyCheck } from "../../../protocol/reports";
import { toFloat32 } from "../../formats/convert";
import { float32, type Tensor } from "../../formats/tensor";
import { Random } from "../../numbers/random";
import { differentiate } from "../../passes/autodiff";
import { PARAMETERS, unpackParameters } from "../../training/packed";
import type { Runs } from "./runs";
import { BESIDE, scattered } from "./scattered";
import { type Slope, slopesAtZero } from "./slopes";
import type { Outputs } from "./subject";
import { EPS_FLOAT32 } from "./tolerance";

/** Central differences lose as much to truncation as to rounding at a step of the epsilon's cube root. */
const TOLERANCE = Math.cbrt(EPS_FLOAT32);
/** The largest number of adapter tensors that are checked by differences; each takes some 25 runs of the model. */
const MOST_TENSORS = 16;
/** The first step, relative to the tensor's values. */
const LARGEST_STEP = 0.1;
/** The step to see where the outputs go. */
const PROBE = 1e-3;
/** Errors of slopes are estimates, each good to a factor of about two. */
const ERRORS = 3;
/** A slope with a larger relative error is not used. */
const TELLING = 0.1;
/** The size of the movement where all values are zero. */
const UNTRAINED = 0.01;
/** The relative change of the adapter's values for a second check: larger than the distance to a relu's kink. */
const ELSEWHERE = [0, 0.01, 0.03];

type Tensors = ReadonlyMap<string, Tensor>;
type GradientsAt = (tensors: Tensors, direction: Tensors) => Promise<Outputs>;

/**
 * Moves each tensor in a random direction v. With J the derivative of the outputs by the tensor, they move by J v, and
 * for any d the slope of <d, outputs> is <d, J v>, by differences, and <Jᵀ d, v>, by the gradient. A wrong J disagrees
 * with itself there, also one that lacks a part, which the slope along the gradient itself does not show. As d the
 * outputs' own movement is taken: <d, outputs> then changes as much as it can, and stands far out of rounding, where a
 * random d is lost among a million outputs. Its differences are summed in double precision.
 *
 * What slopes and gradients are off by in float32 is measured and not held against them. A tensor whose slopes disagree
 * is looked at again with other values: a relu that is just about to turn does so at one point, a gradient that is wrong
 * is so at all. Undefined where gradients are not meant to be the slopes.
 */
export async function finiteDifferences(runs: Runs): Promise<VerifyCheck | undefined> {
  const { subject, perturbed } = runs;
  if (subject.adapter.layers.some(({ variant }) => !variant.check.exactGradients)) return undefined;
  const { graph, feeds } = subject.withScalarLoss();
  const wrt = graph.parameters.filter((node) => subject.trained.includes(node.attrs.path));
  const gradients = differentiate(graph, graph.output("loss"), wrt);
  let gradientsAt: GradientsAt = async () => new Map();
  if (gradients.size > 0) {
    const outputs = [...gradients].map(([node, gradient]) => [node.attrs.path, gradient] as const);
    const run = await subject.compile(unpackParameters(graph.withOutputs(outputs), subject.layout));
    gradientsAt = (tensors, direction) =>
      run(new Map([...feeds, ...direction, [PARAMETERS, subject.layout.pack(tensors)]]));
  }
  const stride = Math.ceil(wrt.length / MOST_TENSORS);
  let paths = wrt.filter((_, i) => i % stride === 0).map((node) => node.attrs.path);
  const found = new Map<string, Disagreement>();
  for (const away of ELSEWHERE) {
    const point = scattered(perturbed, away);
    const outputs = await runs.runAdapted(point);
    for (const path of paths) {
      const disagreement = await slopesOf(runs, { point, outputs }, path, gradientsAt);
      if (!disagreement) continue;
      const known = found.get(path);
      if (!known || ratio(disagreement) < ratio(known)) found.set(path, disagreement);
    }
    paths = [...found].filter(([, each]) => ratio(each) > 1).map(([path]) => path);
    if (paths.length === 0) break;
  }
  const telling = [...found].filter(([, each]) => !each.lost);
  const lost = found.size - telling.length;
  const [path, worst] = telling.reduce((most, each) => (ratio(each[1]) >= ratio(most[1]) ? each : most), [
    "",
    { error: 0, allowed: TOLERANCE, lost: false },
  ] as [string, Disagreement]);
  const what =
    path === "" ? "no slope exceeds the rounding error" : `closest of ${telling.length} to its bound: ${path}`;
  return {
    id: "finite-differences",
    title: "Gradients agree with finite differences",
    meaning: "A small change of an adapter changes the outputs as much as their gradient predicts.",
    unit: "largest relative difference of a slope",
    measured: worst.error,
    relation: "at-most",
    bound: worst.allowed,
    boundFrom: `the cube root of float32's epsilon, the best a central difference can do in float32, and ${(worst.allowed - TOLERANCE).toPrecision(2)} for the measured rounding and curvature`,
    // With nothing measured nothing is verified.
    passed: ratio(worst) <= 1 && (path !== "" || lost === 0),
    detail:
      lost === 0 || path === ""
        ? what
        : `${what}; ${lost} more ${lost === 1 ? "slope is" : "slopes are"} lost in rounding`,
  };
}

interface Disagreement {
  /** Relative to the slope. */
  readonly error: number;
  readonly allowed: number;
  /** Nothing to compare. */
  readonly lost: boolean;
}

function ratio({ error, allowed, lost }: Disagreement): number {
  return lost ? 0 : error / allowed;
}

/** Undefined where the tensor has no effect, which the check before this one reports. */
async function slopesOf(
  { runAdapted }: Runs,
  { point, outputs }: { readonly point: Tensors; readonly outputs: Outputs },
  path: string,
  gradientsAt: GradientsAt,
): Promise<Disagreement | undefined> {
  const tensor = point.get(path)!;
  const values = toFloat32(tensor);
  const along = randomLike(values, path);
  const runMoved = (t: number) =>
    runAdapted(
      new Map([
        ...point,
        [
          path,
          float32(
            tensor.shape,
            values.map((v, i) => v + t * along[i]!),
          ),
        ],
      ]),
    );
  const direction = movement(await runMoved(PROBE), await runMoved(-PROBE));
  if (!direction) return undefined;
  const feeds: Tensors = new Map(
    [...direction].map(([name, d]) => [`direction.${name}`, float32(outputs.get(name)!.shape, d)]),
  );
  const slopeBy = (gradient: Tensor | undefined) => (gradient ? product(toFloat32(gradient), along) : 0);
  const analytic = slopeBy((await gradientsAt(point, feeds)).get(path));
  const f = async (t: number) => difference(await runMoved(t), outputs, direction);
  const rounding = EPS_FLOAT32 * lengthOf(outputs, direction);
  const slopes = await slopesAtZero(f, LARGEST_STEP, rounding, (slope) => ratio(compared(slope, analytic, 0)) <= 1);
  const close = slopes.map((slope) => compared(slope, analytic, 0)).find((each) => !each.lost && ratio(each) <= 1);
  if (close) return close;
  const beside = slopeBy((await gradientsAt(scattered(point, BESIDE), feeds)).get(path));
  const found = slopes.map((slope) => compared(slope, analytic, Math.abs(analytic - beside)));
  const telling = found.filter(({ lost }) => !lost);
  const all = telling.length > 0 ? telling : found;
  return all.reduce((least, each) => (ratio(each) < ratio(least) ? each : least));
}

/** `own`: how far the gradient's slope may be off by rounding. */
function compared({ value, error }: Slope, analytic: number, own: number): Disagreement {
  const size = Math.abs(value);
  const uncertain = (ERRORS * (error + own)) / size;
  const off = Math.abs(value - analytic) / size;
  return {
    error: Number.isNaN(off) ? Number.POSITIVE_INFINITY : off,
    allowed: TOLERANCE + (uncertain <= TELLING ? uncertain : TELLING),
    // Rounding explains errors up to its own size, and not much more.
    lost: !(uncertain <= TELLING) && off <= uncertain,
  };
}

type Directions = ReadonlyMap<string, Float32Array>;

/** Random numbers of the values' size. */
function randomLike(values: Float32Array, path: string): Float32Array {
  const random = new Random(path.length);
  // The values of B for an adapter that is not trained yet.
  const size = Math.sqrt(product(values, values) / values.length) || UNTRAINED;
  return values.map(() => size * random.normal());
}

/** The direction of the outputs' change, as a unit vector; undefined when they do not change. */
function movement(ahead: Outputs, behind: Outputs): Directions | undefined {
  const moved = new Map(
    [...ahead].map(([name, tensor]): [string, Float32Array] => {
      const before = toFloat32(behind.get(name)!);
      return [name, toFloat32(tensor).map((v, i) => v - before[i]!)];
    }),
  );
  const length = Math.sqrt([...moved.values()].reduce((sum, d) => sum + product(d, d), 0));
  if (length === 0) return undefined;
  return new Map([...moved].map(([name, d]) => [name, d.map((v) => v / length)]));
}

/** How much <direction, outputs> is more than at the base, in double precision. */
function difference(outputs: Outputs, base: Outputs, directions: Directions): number {
  let sum = 0;
  for (const [name, direction] of directions) {
    const [y, y0] = [toFloat32(outputs.get(name)!), toFloat32(base.get(name)!)];
    for (let i = 0; i < direction.length; i++) sum += direction[i]! * (y[i]! - y0[i]!);
  }
  return sum;
}

/** The products of each output with its part of the direction. */
function lengthOf(outputs: Outputs, directions: Directions): number {
  let sum = 0;
  for (const [name, direction] of directions) {
    const y = toFloat32(outputs.get(name)!);
    for (let i = 0; i < direction.length; i++) sum += (direction[i]! * y[i]!) ** 2;
  }
  return Math.sqrt(sum);
}

function product(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
