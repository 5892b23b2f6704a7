import type { DType } from "../formats/dtype";
import { UserError } from "../formats/errors";
import type { Graph } from "../graph/graph";
import type { Shape } from "../graph/node";
import { sameShape, shapeText } from "../graph/shapes";
import type { EngineTensor, Feed } from "./engine";

/**
 * Checks that there is a feed for each of the graph's inputs and no other. A missing or unknown name, another dtype or
 * another shape is a UserError that says what was expected and what came. `isOwn` tells the engine's own tensors.
 */
export function checkFeeds<T extends EngineTensor & { readonly dtype: DType }>(
  graph: Graph,
  feeds: ReadonlyMap<string, Feed>,
  isOwn: (feed: Feed) => feed is T,
): void {
  for (const name of feeds.keys()) {
    if (!graph.inputs.some((n) => n.attrs.name === name)) {
      const known = graph.inputs.map((n) => n.attrs.name).join(", ");
      throw new UserError(`${graph.name} has no input "${name}"; its inputs are ${known || "none"}`);
    }
  }
  for (const { attrs, shape, dtype } of graph.inputs) {
    const feed = feeds.get(attrs.name);
    const expected = describe(dtype, shape);
    if (!feed) throw new UserError(`${graph.name} needs a value for its input "${attrs.name}": ${expected}`);
    if (!("data" in feed) && !isOwn(feed)) {
      throw new UserError(`the value for input "${attrs.name}" is in another engine's memory: read it first`);
    }
    if (feed.dtype !== dtype || !sameShape(feed.shape, shape)) {
      const got = describe(feed.dtype, feed.shape);
      throw new UserError(`the input "${attrs.name}" of ${graph.name} is ${expected}; got ${got}`);
    }
  }
}

function describe(dtype: DType, shape: Shape): string {
  return `${dtype} ${shapeText(shape)}`;
}
