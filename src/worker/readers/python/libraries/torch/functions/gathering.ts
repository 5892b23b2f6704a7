import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { shapeText } from "../../../../../graph/shapes";
import { PyError } from "../../../values/values";
import { axisArg } from "../registry/arguments";
import { define, type Home, nodeArg } from "../registry/table";

/** Functions of index tensors. */

const BOTH: readonly Home[] = ["torch", "tensor"];

define(BOTH, "index_select", "input, dim, index", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const index = nodeArg(args, "index", runtime);
  if (index.shape.length > 1) throw new PyError("IndexError", "index_select(): Index is supposed to be a vector");
  return build.gather(x, build.reshape(index, [-1]), axisArg(args, "dim", x.shape.length));
});

/** torch.gather: outside `dim` the index may be smaller than the data, which is cut to it. */
function gather(x: Node, index: Node, axis: number): Node {
  // A tensor without dimensions counts as one with a single element.
  if (x.shape.length === 0 && index.shape.length === 0) return x;
  if (x.shape.length === 0) return build.gather(build.reshape(x, [1]), index, 0);
  if (index.shape.length !== x.shape.length) {
    throw new PyError("RuntimeError", "Index tensor must have the same number of dimensions as input tensor");
  }
  if (index.shape.some((d, i) => i !== axis && d > x.shape[i]!)) {
    throw new PyError(
      "RuntimeError",
      `Size does not match at dimension ${index.shape.findIndex((d, i) => i !== axis && d > x.shape[i]!)} expected index ${shapeText(index.shape)} to be no larger than self ${shapeText(x.shape)} apart from dimension ${axis}`,
    );
  }
  const data = build.slice(
    x,
    x.shape.map(() => 0),
    x.shape.map((d, i) => (i === axis ? d : index.shape[i]!)),
  );
  return build.gatherElements(data, index, axis);
}
define(BOTH, "gather", "input, dim, index, *, sparse_grad=False, out=None", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  return gather(x, nodeArg(args, "index", runtime), axisArg(args, "dim", x.shape.length));
});
define(BOTH, "take_along_dim", "input, indices, dim", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const axis = axisArg(args, "dim", x.shape.length);
  const index = nodeArg(args, "indices", runtime);
  const shape = x.shape.map((d, i) => (i === axis ? index.shape[i]! : Math.max(d, index.shape[i]!)));
  const wide = build.expand(
    x,
    shape.map((d, i) => (i === axis ? x.shape[i]! : d)),
  );
  return gather(wide, build.expand(index, shape), axis);
});
