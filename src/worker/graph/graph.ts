import { is, Node } from "./node";

/**
 * A computation: named inputs to named outputs over the nodes reachable from the outputs. Immutable.
 * `inputs` keeps every input that the source declares, in its order, also those that no output needs.
 */
export class Graph {
  private sorted: readonly Node[] | undefined;

  constructor(
    readonly name: string,
    readonly inputs: readonly Node<"input">[],
    readonly outputs: ReadonlyMap<string, Node>,
  ) {}

  /** All reachable nodes, each after its inputs, in a stable order. */
  get nodes(): readonly Node[] {
    this.sorted ??= topological([...this.outputs.values()]);
    return this.sorted;
  }

  /** The parameters in use, in the order of first use; one entry a path. */
  get parameters(): readonly Node<"parameter">[] {
    const byPath = new Map<string, Node<"parameter">>();
    for (const node of this.nodes) {
      if (is(node, "parameter") && !byPath.has(node.attrs.path)) byPath.set(node.attrs.path, node);
    }
    return [...byPath.values()];
  }

  output(name: string): Node {
    const node = this.outputs.get(name);
    if (!node)
      throw new RangeError(`graph ${this.name} has no output "${name}"; it has ${[...this.outputs.keys()].join(", ")}`);
    return node;
  }

  /** The same inputs with other outputs. */
  withOutputs(outputs: Iterable<readonly [string, Node]>): Graph {
    return new Graph(this.name, this.inputs, new Map(outputs));
  }
}

/** Depth first with an explicit stack: a deep model must not overflow ours. */
export function topological(roots: readonly Node[]): Node[] {
  const order: Node[] = [];
  const state = new Map<Node, number>(); // how many inputs have been visited
  for (const root of roots) {
    const stack = [root];
    while (stack.length > 0) {
      const node = stack.at(-1)!;
      const next = state.get(node) ?? 0;
      if (next > node.inputs.length) {
        stack.pop();
      } else if (next === node.inputs.length) {
        state.set(node, next + 1);
        order.push(node);
        stack.pop();
      } else {
        state.set(node, next + 1);
        const child = node.inputs[next]!;
        if (!state.has(child)) stack.push(child);
      }
    }
  }
  return order;
}

/**
 * Rebuilds a graph bottom-up. `rewrite` sees each node once with its inputs already replaced and returns what stands
 * in its place; return `keep()` to leave it as it is (with the new inputs). `original` is the node of the given graph.
 */
export function rewrite(graph: Graph, replace: (node: Node, keep: () => Node, original: Node) => Node): Graph {
  const done = new Map<Node, Node>();
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((n) => done.get(n)!);
    const renewed = withInputs(node, inputs);
    done.set(
      node,
      replace(renewed, () => renewed, node),
    );
  }
  const outputs = new Map([...graph.outputs].map(([name, node]) => [name, done.get(node)!] as const));
  const inputs = graph.inputs.map((node) => {
    const replaced = done.get(node) ?? node;
    return is(replaced, "input") ? replaced : node;
  });
  return new Graph(graph.name, inputs, outputs);
}

/** The same op on other inputs of the same shapes and dtypes. */
export function withInputs(node: Node, inputs: readonly Node[]): Node {
  if (inputs.length === node.inputs.length && inputs.every((n, i) => n === node.inputs[i])) return node;
  return new Node(node.op, inputs, node.attrs, node.shape, node.dtype, node.place);
}
