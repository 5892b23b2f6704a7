import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { type BoundArgs, PyError, type PyTensor, type Runtime } from "../../../values/values";
import { boolArg, numberArg, stringArg, tensorList, varValues } from "../registry/arguments";
import { define, nodeArg } from "../registry/table";
import { listable } from "../tensor/listable";
import { nodeOf } from "../tensor/tensor";
import { promoted, scale, shift } from "./arithmetic";
import { constant } from "./creation";
import { matmul } from "./products";
import { norm, root } from "./reductions";

/** Distances between vectors, and products of several matrices. */

/** From this many vectors on, PyTorch computes Euclidean distances by a matrix product. */
const MANY = 25;

/** torch.cdist: [..., P, M] and [..., R, M] to [..., P, R]. */
function cdist(a: Node, b: Node, p: number, mode: string): Node {
  if (a.shape.length < 2 || b.shape.length < 2 || a.shape.at(-1) !== b.shape.at(-1)) {
    throw new PyError(
      "RuntimeError",
      `X1 and X2 must have the same number of columns. X1: ${a.shape.at(-1)} X2: ${b.shape.at(-1)}`,
    );
  }
  const [rows, columns] = [a.shape.at(-2)!, b.shape.at(-2)!];
  const product = mode === "use_mm_for_euclid_dist" || (!mode.startsWith("donot") && (rows > MANY || columns > MANY));
  if (p === 2 && product) {
    const square = (x: Node): Node => build.reduce("sum", build.mul(x, x), [x.shape.length - 1], true);
    const across = build.matmul(a, b, { transposeB: true, alpha: -2 });
    const right = square(b);
    const lying = build.reshape(right, [...right.shape.slice(0, -2), 1, columns]);
    const sum = build.add(build.add(across, square(a)), lying);
    return root(build.binary("maximum", sum, build.scalar(0, sum.dtype)));
  }
  const left = build.reshape(a, [...a.shape.slice(0, -1), 1, a.shape.at(-1)!]);
  const right = build.reshape(b, [...b.shape.slice(0, -2), 1, columns, b.shape.at(-1)!]);
  const apart = build.sub(left, right);
  return norm(apart, p, [apart.shape.length - 1], false);
}
define(["torch"], "cdist", "x1, x2, p=2.0, compute_mode='use_mm_for_euclid_dist_if_necessary'", (args, runtime) =>
  cdist(
    nodeArg(args, "x1", runtime),
    nodeArg(args, "x2", runtime),
    numberArg(args, "p"),
    stringArg(args, "compute_mode"),
  ),
);

/** The p-norm of x1 - x2 + eps over the last dimension. */
export function pairwiseDistance(a: Node, b: Node, p: number, eps: number, keepDims: boolean): Node {
  const apart = shift(build.sub(a, b), eps);
  return norm(apart, p, [apart.shape.length - 1], keepDims);
}
define(["torch", "F"], "pairwise_distance", "x1, x2, p=2.0, eps=1e-06, keepdim=False", (args, runtime) =>
  pairwiseDistance(
    nodeArg(args, "x1", runtime),
    nodeArg(args, "x2", runtime),
    numberArg(args, "p"),
    numberArg(args, "eps"),
    boolArg(args, "keepdim"),
  ),
);
define(["torch", "F"], "pdist", "input, p=2.0", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const n = x.shape[0]!;
  listable(n * n);
  const pairs = Array.from({ length: n }, (_, i) =>
    Array.from({ length: n - i - 1 }, (_v, k) => [i, i + 1 + k]),
  ).flat();
  const side = (which: number): Node =>
    build.gather(
      x,
      constant(
        pairs.map((pair) => pair[which]!),
        [pairs.length],
        "int64",
      ),
      0,
    );
  return norm(build.sub(side(0), side(1)), numberArg(args, "p"), [1], false);
});

// Products

function chain(nodes: readonly Node[]): Node {
  const [first, ...rest] = nodes;
  if (!first) throw new PyError("RuntimeError", "multi_dot(): expected at least 2 tensors but got 0");
  return rest.reduce(matmul, first);
}
define(["torch"], "chain_matmul", "*matrices", (args, runtime) =>
  chain(varValues(args, "matrices").map((m) => nodeOf(m as PyTensor, runtime))),
);
define(["torch"], "multi_dot", "tensors", (args, runtime) =>
  chain(tensorList(args, "tensors").map((t) => nodeOf(t, runtime))),
);
const weighted = (args: BoundArgs, runtime: Runtime, product: Node): Node => {
  const x = scale(nodeArg(args, "input", runtime), numberArg(args, "beta"));
  return build.add(x, scale(product, numberArg(args, "alpha")));
};
define(["torch", "tensor"], "addmv", "input, mat, vec, *, beta=1, alpha=1", (args, runtime) =>
  weighted(args, runtime, matmul(nodeArg(args, "mat", runtime), nodeArg(args, "vec", runtime))),
);
define(["torch", "tensor"], "addr", "input, vec1, vec2, *, beta=1, alpha=1", (args, runtime) => {
  const [a, b] = promoted([nodeArg(args, "vec1", runtime), nodeArg(args, "vec2", runtime)]) as [Node, Node];
  return weighted(args, runtime, build.mul(build.reshape(a, [-1, 1]), build.reshape(b, [1, -1])));
});
define(["torch", "tensor"], "addbmm", "input, batch1, batch2, *, beta=1, alpha=1", (args, runtime) => {
  const product = matmul(nodeArg(args, "batch1", runtime), nodeArg(args, "batch2", runtime));
  return weighted(args, runtime, build.reduce("sum", product, [0], false));
});
