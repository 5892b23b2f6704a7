import { EvaluationError } from "../../../values/unknown";

/** As many as the evaluator's longest list: values that are written out one by one take memory before any step is counted. */
const MAX_LISTED = 1_000_000;
/** Each is a node of the graph or more. */
const MAX_NODES = 10_000;

/** The count of values that are about to be written out one by one. */
export function listable(count: number): number {
  return atMost(count, MAX_LISTED, "numbers");
}

/** The count of tensors that are about to be made one by one. */
export function listableTensors(count: number): number {
  return atMost(count, MAX_NODES, "tensors");
}

function atMost(count: number, most: number, what: string): number {
  if (count <= most) return count;
  const [asked, held] = [count, most].map((n) => n.toLocaleString("en-US"));
  throw new EvaluationError(`making ${asked} ${what} one by one is not supported; the most is ${held}`);
}
