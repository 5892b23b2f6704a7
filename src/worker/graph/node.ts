import type { DType } from "../formats/dtype";
import type { OpAttrs, OpName } from "./ops";

/** A range in the source a node or layer came from. Lines and columns count from 1; the end is exclusive. */
export interface SourcePlace {
  readonly file: string;
  /**
   * In a notebook: the cell, which lines and columns are counted in. Cells count from 1, Markdown cells too, as in
   * VS Code's "Cell 3".
   */
  readonly cell?: number;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
}

export type Shape = readonly number[];

/**
 * One tensor value and how it is computed. Nodes are immutable and refer to their inputs directly, so a graph is
 * whatever is reachable from its outputs; a pass maps nodes to new nodes and never edits one.
 * Create them through `build` (graph/build.ts), which applies each op's shape rule.
 */
export class Node<O extends OpName = OpName> {
  constructor(
    readonly op: O,
    readonly inputs: readonly Node[],
    readonly attrs: Readonly<OpAttrs[O]>,
    readonly shape: Shape,
    readonly dtype: DType,
    readonly place?: SourcePlace,
  ) {}
}

/** "line 5", or in a notebook "cell 3, line 5". */
export function lineText({ cell, line }: Pick<SourcePlace, "cell" | "line">): string {
  return cell === undefined ? `line ${line}` : `cell ${cell}, line ${line}`;
}

/** Narrows a node to one op, so that its attributes are typed. */
export function is<O extends OpName>(node: Node, op: O): node is Node<O> {
  return node.op === op;
}
