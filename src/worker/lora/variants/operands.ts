import { cast, parameter } from "../../graph/build";
import type { Graph } from "../../graph/graph";
import type { Node } from "../../graph/node";
import type { LayerAdapter, Operands } from "./variant";

/** The graph's parameter at a path. */
export function parameterIn(graph: Graph): (path: string) => Node {
  return (path) => {
    const node = graph.parameters.find(({ attrs }) => attrs.path === path);
    if (!node) throw new Error(`graph ${graph.name} has no parameter ${path}`);
    return node;
  };
}

/**
 * An adapter's tensors as parameters of a graph, each made once, and the base's parameters as `base` gives them: in their
 * own dtype.
 */
export function operandsOf(adapter: LayerAdapter, base: (path: string) => Node): Operands {
  const shapes = new Map(adapter.variant.tensors(adapter).map(({ name, shape }) => [name, shape]));
  const nodes = new Map<string, Node>();
  return {
    tensor: (name) => {
      const known = nodes.get(name);
      if (known) return known;
      const shape = shapes.get(name);
      if (!shape) throw new Error(`${adapter.variant.name} has no tensor ${name}`);
      const node = parameter(name, shape, "float32");
      nodes.set(name, node);
      return node;
    },
    base: (path) => cast(base(path), "float32"),
  };
}
