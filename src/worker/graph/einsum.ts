import * as build from "./build";
import type { Node } from "./node";
import { ShapeError } from "./shapes";

interface Term {
  readonly node: Node;
  readonly labels: readonly string[];
}

/**
 * torch.einsum, lowered from left to right to transposes, reshapes and batched matrix products: a pair's labels are
 * shared by the result (batch), summed between the two, or belong to one side. Operands have one dtype. Errors are in
 * PyTorch's words.
 */
export function einsum(equation: string, operands: readonly Node[]): Node {
  const text = equation.replaceAll(" ", "");
  const [left, right] = text.split("->") as [string, string | undefined];
  const subscripts = left.split(",");
  if (subscripts.length !== operands.length) {
    const which = operands.length < subscripts.length ? "fewer" : "more";
    throw new ShapeError(`einsum(): ${which} operands were provided than specified in the equation`);
  }
  // The dimensions an ellipsis stands for are labelled from the right: "1" is the last of them.
  let widest = 0;
  const labelled = subscripts.map((subscript, i) => {
    const rank = operands[i]!.shape.length;
    const named = subscript.replace("...", "").length;
    const open = subscript.includes("...") ? rank - named : 0;
    if (open < 0 || named + open !== rank) {
      const [odd, rest] = open < 0 ? ["is more than", ""] : ["does not match", " and no ellipsis was given"];
      throw new ShapeError(
        `einsum(): the number of subscripts in the equation (${named}) ${odd} the number of dimensions (${rank}) for operand ${i}${rest}`,
      );
    }
    widest = Math.max(widest, open);
    return expandEllipsis(subscript, open);
  });
  const output = right === undefined ? implicitOutput(labelled, widest) : expandEllipsis(right, widest);
  const known = new Set(labelled.flat());
  for (const label of output) {
    if (!known.has(label)) {
      throw new ShapeError(`einsum(): output subscript ${label} does not appear in the equation for any input operand`);
    }
  }
  const sizes = new Map<string, number>();
  labelled.forEach((labels, i) => {
    labels.forEach((label, axis) => {
      const size = operands[i]!.shape[axis]!;
      const seen = sizes.get(label) ?? 1;
      if (seen !== size && seen !== 1 && size !== 1) {
        throw new ShapeError(
          `einsum(): subscript ${label} has size ${size} for operand ${i} which does not broadcast with previously seen size ${seen}`,
        );
      }
      sizes.set(label, Math.max(seen, size));
    });
  });
  let [result, ...rest] = labelled.map((labels, i) => diagonal({ node: operands[i]!, labels })) as [Term, ...Term[]];
  while (rest.length > 0) {
    const [next, ...later] = rest as [Term, ...Term[]];
    result = contract(result, next, new Set([...output, ...later.flatMap((t) => t.labels)]), sizes);
    rest = later;
  }
  return arrange(sumOut(result, new Set(output)), output);
}

function expandEllipsis(subscript: string, open: number): string[] {
  const [before, after] = subscript.split("...") as [string, string | undefined];
  if (after === undefined) return [...before];
  return [...before, ...Array.from({ length: open }, (_, i) => String(open - i)), ...after];
}

function implicitOutput(labelled: readonly (readonly string[])[], widest: number): string[] {
  const counts = new Map<string, number>();
  for (const label of labelled.flat()) counts.set(label, (counts.get(label) ?? 0) + 1);
  const once = [...counts].filter(([label, n]) => n === 1 && !/\d/.test(label)).map(([label]) => label);
  return [...Array.from({ length: widest }, (_, i) => String(widest - i)), ...once.sort()];
}

/** A label twice in one operand takes the diagonal. */
function diagonal(term: Term): Term {
  const twice = term.labels.find((label, i) => term.labels.indexOf(label) !== i);
  if (twice === undefined) return term;
  const [a, b] = [term.labels.indexOf(twice), term.labels.lastIndexOf(twice)];
  const { node } = term;
  const size = node.shape[a]!;
  const lane = (axis: number): Node =>
    build.reshape(
      build.arange(size, "int64"),
      node.shape.map((_, i) => (i === axis ? size : 1)),
    );
  const kept = build.where(build.binary("equal", lane(a), lane(b)), node, build.scalar(0, node.dtype));
  return diagonal({ node: build.reduce("sum", kept, [b], false), labels: term.labels.filter((_, i) => i !== b) });
}

function sumOut(term: Term, keep: ReadonlySet<string>): Term {
  const axes = term.labels.flatMap((label, i) => (keep.has(label) ? [] : [i]));
  return { node: build.reduce("sum", term.node, axes, false), labels: term.labels.filter((l) => keep.has(l)) };
}

function arrange(term: Term, labels: readonly string[]): Node {
  return build.transpose(
    term.node,
    labels.map((l) => term.labels.indexOf(l)),
  );
}

function contract(first: Term, second: Term, keep: ReadonlySet<string>, sizes: ReadonlyMap<string, number>): Term {
  const a = sumOut(first, new Set([...keep, ...second.labels]));
  const b = sumOut(second, new Set([...keep, ...first.labels]));
  const shared = a.labels.filter((l) => b.labels.includes(l));
  const batch = shared.filter((l) => keep.has(l));
  const inner = shared.filter((l) => !keep.has(l));
  const rows = a.labels.filter((l) => !shared.includes(l));
  const columns = b.labels.filter((l) => !shared.includes(l));
  const size = (labels: readonly string[]): number => labels.reduce((n, l) => n * sizes.get(l)!, 1);
  const dims = (labels: readonly string[]): number[] => labels.map((l) => sizes.get(l)!);
  const full = (term: Term): Term => ({
    labels: term.labels,
    node: build.expand(term.node, dims(term.labels)),
  });
  const x = build.reshape(arrange(full(a), [...batch, ...rows, ...inner]), [size(batch), size(rows), size(inner)]);
  const y = build.reshape(arrange(full(b), [...batch, ...inner, ...columns]), [
    size(batch),
    size(inner),
    size(columns),
  ]);
  const labels = [...batch, ...rows, ...columns];
  return { node: build.reshape(build.matmul(x, y), dims(labels)), labels };
}
