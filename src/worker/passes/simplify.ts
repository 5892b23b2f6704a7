import { matmul, reshape, transpose } from "../graph/build";
import { type Graph, rewrite } from "../graph/graph";
import { is, type Node, type Shape } from "../graph/node";
import { sameShape } from "../graph/shapes";

/**
 * Local rewrites that leave every value as it is, and removal of repeated work:
 * - a reshape of a reshape, a transpose of a transpose, are one;
 * - concat of slices that make up one whole tensor is that tensor (packed parameters);
 * - `a @ b + c` with no other use of the product adds in the product's own kernel;
 * - x * 1, x + 0 and x - 0 are x, and so is x marked as what a layer gives;
 * - equal nodes on equal inputs are one node.
 */
export function simplify(graph: Graph): Graph {
  const uses = countUses(graph);
  const fused = rewrite(graph, (node, keep, original) => local(node, original, uses) ?? keep());
  return shareEqualNodes(fused);
}

function countUses(graph: Graph): Map<Node, number> {
  const uses = new Map<Node, number>();
  const count = (node: Node) => uses.set(node, (uses.get(node) ?? 0) + 1);
  for (const node of graph.nodes) node.inputs.forEach(count);
  for (const node of graph.outputs.values()) count(node);
  return uses;
}

function local(node: Node, original: Node, uses: ReadonlyMap<Node, number>): Node | undefined {
  const [x, y] = node.inputs;
  if (is(node, "reshape") && is(x!, "reshape")) return reshape(x.inputs[0]!, node.shape);
  if (is(node, "transpose") && is(x!, "transpose")) {
    const inner = x.attrs.perm;
    return transpose(
      x.inputs[0]!,
      node.attrs.perm.map((p) => inner[p]!),
    );
  }
  if (is(node, "concat")) return wholeOf(node);
  if (is(node, "layer")) return x;
  if (is(node, "mul")) return identity(node, x!, y!, 1) ?? identity(node, y!, x!, 1);
  if (is(node, "sub")) return identity(node, x!, y!, 0);
  if (is(node, "add")) {
    return (
      identity(node, x!, y!, 0) ??
      identity(node, y!, x!, 0) ??
      addend(node, x!, y!, uses.get(original.inputs[0]!)) ??
      addend(node, y!, x!, uses.get(original.inputs[1]!))
    );
  }
  return undefined;
}

/** `kept` where `other` is a constant that changes nothing. */
function identity(node: Node, kept: Node, other: Node, neutral: number): Node | undefined {
  const isNeutral = is(other, "constant") && other.attrs.data.length === 1 && Number(other.attrs.data[0]) === neutral;
  return isNeutral && sameShape(node.shape, kept.shape) ? kept : undefined;
}

function addend(node: Node, product: Node, c: Node, uses: number | undefined): Node | undefined {
  if (!is(product, "matmul") || product.inputs.length === 3 || uses !== 1) return undefined;
  if (product.dtype !== "float32" || !sameShape(node.shape, product.shape)) return undefined;
  return matmul(product.inputs[0]!, product.inputs[1]!, { ...product.attrs, c });
}

/** The tensor that a concatenation's parts are consecutive slices of, if they cover it. */
function wholeOf(node: Node<"concat">): Node | undefined {
  let source: Node | undefined;
  let end = 0;
  for (const part of node.inputs) {
    const piece = is(part, "reshape") ? part.inputs[0]! : part;
    const cut = is(piece, "reshape") ? piece.inputs[0]! : piece;
    if (!is(cut, "slice") || cut.shape.length !== 1 || part.shape.length !== 1) return undefined;
    const from = cut.inputs[0]!;
    if ((source && from !== source) || cut.attrs.steps[0] !== 1 || cut.attrs.starts[0] !== end) return undefined;
    source = from;
    end = cut.attrs.ends[0]!;
  }
  return source && end === source.shape[0] ? source : undefined;
}

function shareEqualNodes(graph: Graph): Graph {
  const ids = new Map<Node, number>();
  const known = new Map<string, Node>();
  return rewrite(graph, (_, keep) => {
    const kept = keep();
    const key = keyOf(kept, ids);
    if (key === undefined) return kept;
    const equal = known.get(key);
    if (equal) return equal;
    known.set(key, kept);
    ids.set(kept, ids.size);
    return kept;
  });
}

/** Equal keys mean equal values; undefined for large literals, which are not worth comparing. */
function keyOf(node: Node, ids: Map<Node, number>): string | undefined {
  if (is(node, "constant") && node.attrs.data.length > 64) {
    ids.set(node, ids.size);
    return undefined;
  }
  const attrs = is(node, "constant") ? [...node.attrs.data].map(String) : node.attrs;
  const operands = node.inputs.map((n) => ids.get(n));
  return `${node.op}(${operands.join()})${JSON.stringify(attrs)}${node.dtype}${shapeKey(node.shape)}`;
}

function shapeKey(shape: Shape): string {
  return `[${shape.join()}]`;
}
