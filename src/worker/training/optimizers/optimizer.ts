import { allocate, type Tensor } from "../../formats/tensor";
import type { Node } from "../../graph/node";
import type { PackedLayout } from "../packed";

/**
 * How a training step changes the parameters. All trainable parameters are one packed float32 vector, and so is each
 * tensor of the state: the trainer keeps the state in the engine's memory without knowing its names.
 */
export interface Optimizer {
  /** Tensors that live from one step to the next, as long as the parameters; names begin with "state.". */
  readonly state: readonly OptimizerState[];
  /** Names of the float32 scalars that each step is fed; they begin with "optimizer.". */
  readonly scalars: readonly string[];
  /** Their values at step `t`, counted from 1, with the learning rate of that step. */
  feeds(t: number, learningRate: number): ReadonlyMap<string, Tensor>;
  /** The update as nodes of the graph. */
  update(before: UpdateInputs): Updated;
}

export interface OptimizerState {
  readonly name: string;
  initial(layout: PackedLayout): Tensor;
}

export interface UpdateInputs {
  readonly parameters: Node;
  readonly gradient: Node;
  readonly state: ReadonlyMap<string, Node>;
  readonly scalars: ReadonlyMap<string, Node>;
  /** Where each parameter lies, for updates that differ by parameter. */
  readonly layout: PackedLayout;
}

export interface Updated {
  readonly parameters: Node;
  /** A value for each tensor of the state, by name. */
  readonly state: ReadonlyMap<string, Node>;
}

/** The options people can set of any optimizer. */
export interface OptimizerOptions {
  readonly weightDecay?: number;
}

/** An optimizer that people can choose. */
export interface OptimizerRow {
  /** As requests and the command line name it. */
  readonly id: string;
  /** Name on screen. */
  readonly label: string;
  make(options: OptimizerOptions): Optimizer;
}

/** A tensor of the state that begins at zero. */
export function zeros(name: string): OptimizerState {
  return { name, initial: ({ length }) => allocate("float32", [length]) };
}
