import { isFloating } from "../../../../../formats/dtype";
import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { broadcast } from "../../../../../graph/shapes";
import { EvaluationError, Unknown } from "../../../values/unknown";
import { type BoundArgs, PyError, PyTensor, type Runtime, type Value } from "../../../values/values";
import { gumbel, noise, openUniform } from "../random/noise";
import {
  axisArg,
  boolArg,
  given,
  intArg,
  isNumber,
  numberArg,
  numberOf,
  optionalDType,
  sequenceOf,
  tensorArg,
} from "../registry/arguments";
import { define, inPlace, nodeArg } from "../registry/table";
import { nodeOf, unknownTensor, wrap } from "../tensor/tensor";
import { softmax } from "./activations";
import { scale, shift } from "./arithmetic";

/** Random tensors that are computed from others. Outside forward, where none is drawn, they are unknown. */

function undrawn(runtime: Runtime, shape?: readonly number[], dtype: Node["dtype"] = "int64"): Value {
  const reason = new Unknown("random whole numbers are not drawn when a model is read", runtime.place);
  return shape ? unknownTensor(shape, dtype, reason) : reason;
}

const OPTIONS =
  "*, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False";

/** Whole numbers in [low, high): floor of uniform ones, which reach 1 only by rounding. */
function whole(low: number, high: number, shape: readonly number[], dtype: Node["dtype"], runtime: Runtime): Node {
  if (high <= low) {
    throw new PyError("RuntimeError", `random_ expects 'from' to be less than 'to', but got from=${low} >= to=${high}`);
  }
  const spread = build.unary("floor", scale(noise("uniform", shape, "float32", runtime), high - low));
  const most = build.scalar(high - low - 1);
  return build.cast(shift(build.binary("minimum", spread, most), low), dtype);
}
define(["torch"], "randint", `*bounds, low=None, high=None, size=None, ${OPTIONS.slice(3)}`, (args, runtime) => {
  const bounds = [...(sequenceOf(args.bounds) ?? [])];
  const size = sequenceOf(args.size) ?? sequenceOf(bounds.at(-1));
  if (!size) throw new PyError("TypeError", "randint(): argument 'size' must be tuple of ints");
  const shape = size.map((d) => {
    if (typeof d === "number") return d;
    throw new PyError("TypeError", "randint(): argument 'size' must be tuple of ints");
  });
  const dtype = optionalDType(args) ?? "int64";
  if (!runtime.tracing) return undrawn(runtime, shape, dtype);
  const numbers = bounds.flatMap((b) => (isNumber(b) ? [numberOf(b)] : []));
  const high = given(args, "high") ? numberArg(args, "high") : numbers.at(-1);
  const low = given(args, "low")
    ? numberArg(args, "low")
    : numbers.length > 1 || given(args, "high")
      ? (numbers[0] ?? 0)
      : 0;
  return whole(low, high ?? 1, shape, dtype, runtime);
});
define(["torch"], "randint_like", `input, low, high=None, ${OPTIONS}`, (args, runtime) => {
  const x = tensorArg(args, "input");
  const shape = nodeOf(x, runtime).shape;
  const dtype = optionalDType(args) ?? x.dtype;
  if (!runtime.tracing) return undrawn(runtime, shape, dtype);
  const [low, high] = given(args, "high")
    ? [numberArg(args, "low"), numberArg(args, "high")]
    : [0, numberArg(args, "low")];
  return whole(low, high, shape, dtype, runtime);
});
define(["torch"], "randperm", `n, ${OPTIONS}`, (args, runtime) => {
  const n = intArg(args, "n");
  const dtype = optionalDType(args) ?? "int64";
  if (!runtime.tracing) return undrawn(runtime, [n], dtype);
  return build.cast(build.topKIndices(noise("uniform", [n], "float32", runtime), n, 0, false), dtype);
});

/** 1 where a uniform number is below p. */
function bernoulli(p: Node, runtime: Runtime): Node {
  const drawn = build.binary("less", noise("uniform", p.shape, "float32", runtime), build.cast(p, "float32"));
  return build.cast(drawn, p.dtype);
}
function bernoulliOf(args: BoundArgs, runtime: Runtime): Value | Node {
  const x = nodeArg(args, "input", runtime);
  if (!runtime.tracing) return undrawn(runtime);
  return bernoulli(isNumber(args.p) ? build.full(numberOf(args.p), x.shape, x.dtype) : x, runtime);
}
define(["torch", "tensor"], "bernoulli", "input, p=None, *, generator=None, out=None", bernoulliOf);

function requireTracing(runtime: Runtime, name: string): void {
  if (runtime.tracing) return;
  throw new EvaluationError(`${name} of a tensor: its numbers are not drawn when a model is read`, runtime.place);
}
inPlace("bernoulli", "input, p=0.5, *, generator=None", (args, runtime) => {
  requireTracing(runtime, "bernoulli_");
  const x = nodeArg(args, "input", runtime);
  const p = args.p instanceof PyTensor ? build.expand(nodeOf(args.p, runtime), x.shape) : undefined;
  const floats = isFloating(x.dtype) ? x.dtype : "float32";
  return build.cast(bernoulli(p ?? build.full(numberArg(args, "p"), x.shape, floats), runtime), x.dtype);
});
inPlace("exponential", "input, lambd=1.0, *, generator=None", (args, runtime) => {
  requireTracing(runtime, "exponential_");
  const x = nodeArg(args, "input", runtime);
  return scale(
    build.unary("neg", build.unary("log", openUniform(x.shape, x.dtype, runtime))),
    1 / numberArg(args, "lambd"),
  );
});
inPlace("random", "input, from_=0, to=None, *, generator=None", (args, runtime) => {
  requireTracing(runtime, "random_");
  const x = nodeArg(args, "input", runtime);
  const [low, high] = given(args, "to")
    ? [numberArg(args, "from_"), numberArg(args, "to")]
    : [0, numberArg(args, "from_")];
  return whole(low, high, x.shape, x.dtype, runtime);
});

/** The places of the largest of log-weights plus Gumbel noise are draws by weight, without replacement. */
define(
  ["torch", "tensor"],
  "multinomial",
  "input, num_samples, replacement=False, *, generator=None, out=None",
  (args, runtime) => {
    const weights = nodeArg(args, "input", runtime);
    const count = intArg(args, "num_samples");
    const lead = weights.shape.slice(0, -1);
    if (!runtime.tracing) return undrawn(runtime, [...lead, count]);
    const logs = build.unary("log", build.cast(weights, "float32"));
    const axis = weights.shape.length - 1;
    const classes = weights.shape[axis]!;
    if (!boolArg(args, "replacement")) {
      return build.topKIndices(build.add(logs, gumbel(weights.shape, "float32", runtime)), count, axis, true);
    }
    const rows = build.reshape(logs, [...lead, 1, classes]);
    return build.argmax(build.add(rows, gumbel([...lead, count, classes], "float32", runtime)), axis + 1, false);
  },
);

define(["F"], "gumbel_softmax", "logits, tau=1, hard=False, eps=1e-10, dim=-1", (args, runtime) => {
  const logits = nodeArg(args, "logits", runtime);
  if (!runtime.tracing) return undrawn(runtime, logits.shape, logits.dtype);
  const axis = axisArg(args, "dim", logits.shape.length);
  const drawn = build.add(logits, gumbel(logits.shape, logits.dtype, runtime));
  const soft = softmax(scale(drawn, 1 / numberArg(args, "tau")), axis);
  if (!boolArg(args, "hard")) return soft;
  const place = build.reshape(
    build.arange(soft.shape[axis]!, "int64"),
    soft.shape.map((d, i) => (i === axis ? d : 1)),
  );
  const chosen = build.cast(build.binary("equal", place, build.argmax(soft, axis, true)), soft.dtype);
  // One-hot as a value, soft as a gradient.
  return build.add(build.sub(chosen, build.detach(soft)), soft);
});

/** torch.normal: mean and standard deviation are numbers with a size, or tensors. */
export function normalOf(args: BoundArgs, runtime: Runtime): PyTensor | undefined {
  const [mean, std] = [args.mean, args.std];
  if (!(mean instanceof PyTensor) && !(std instanceof PyTensor)) return undefined;
  const node = (value: Value | undefined): Node =>
    value instanceof PyTensor ? nodeOf(value, runtime) : build.scalar(isNumber(value) ? numberOf(value) : 0);
  const [m, s] = [node(mean), node(std)];
  if (!runtime.tracing) {
    throw new EvaluationError("torch.normal of tensors is not drawn when a model is read", runtime.place);
  }
  const drawn = noise("normal", broadcast(m.shape, s.shape), "float32", runtime);
  return wrap(build.add(build.mul(drawn, build.cast(s, "float32")), build.cast(m, "float32")));
}
