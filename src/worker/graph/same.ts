import { is, type Node } from "./node";

/** How many pairs of nodes are compared before two computations count as different. */
const MOST = 2_000;

/** Whether two nodes are the same computation over the same leaves. */
export function sameComputation(a: Node, b: Node): boolean {
  const pending: [Node, Node][] = [[a, b]];
  const done = new Map<Node, Set<Node>>();
  let count = 0;
  for (let pair = pending.pop(); pair; pair = pending.pop()) {
    const [x, y] = pair;
    if (x === y || done.get(x)?.has(y)) continue;
    if (++count > MOST) return false;
    if (x.op !== y.op || x.dtype !== y.dtype || x.inputs.length !== y.inputs.length) return false;
    if (!alike(x.shape, y.shape) || !sameAttributes(x, y)) return false;
    done.set(x, (done.get(x) ?? new Set()).add(y));
    x.inputs.forEach((input, i) => {
      pending.push([input, y.inputs[i]!]);
    });
  }
  return true;
}

function alike(a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}

function sameAttributes(x: Node, y: Node): boolean {
  // Inputs of the same name may be different tensors, so an input only equals itself.
  if (x.op === "input") return false;
  if (is(x, "constant") && is(y, "constant")) return alike(x.attrs.data, y.attrs.data);
  return JSON.stringify(x.attrs) === JSON.stringify(y.attrs);
}
