import type { TrainReport } from "../../../protocol/reports";
import type { Labels } from "../../formats/labels";
import type { Tensor } from "../../formats/tensor";
import { cast } from "../../graph/build";
import { Graph } from "../../graph/graph";
import type { Node, Shape } from "../../graph/node";
import type { Model } from "../../readers/model";

/** The loss that training minimizes: how a prediction is compared with a sample's label. */
export interface Loss {
  /** As requests, reports and the command line name it. */
  readonly id: string;
  /** Name on screen. */
  readonly label: string;
  /** Whether it is the usual loss for an output of this shape with these labels. */
  takes(output: Shape, labels: Labels): boolean;
  /** The labels as targets for a model. Throws a UserError where the two do not fit. */
  targets(labels: Labels, subject: LossSubject): Targets;
  /** The loss as nodes of the graph; `prediction` is float32. */
  attach(prediction: Node): LossNodes;
}

/** The model and the data of a training. */
export interface LossSubject {
  readonly model: Model;
  /** Of the model's prediction. */
  readonly output: Shape;
  /** The column or field that holds the labels, for messages. */
  readonly column: string;
}

/** Labels made ready for one model. */
export interface Targets {
  /** Values for the loss's own inputs, by name, of the samples with these numbers. */
  batch(samples: Uint32Array): ReadonlyMap<string, Tensor>;
  /** For classes: the output that stands for each label. */
  readonly labels?: NonNullable<TrainReport["labels"]>;
}

export interface LossNodes {
  /** The targets: inputs of its own. */
  readonly inputs: readonly Node<"input">[];
  readonly results: {
    /** Mean over the predictions. */
    readonly loss: Node;
    /** For classes: the number of right predictions, float32. */
    readonly correct?: Node;
    /** How many predictions the mean is over, float32, where that is not the number of samples. */
    readonly counted?: Node;
  };
}

/** Names of the outputs that a loss may add to a graph. */
export const RESULTS = ["loss", "correct", "counted"] as const satisfies readonly (keyof LossNodes["results"])[];

/** Adds the loss's inputs and results. `prediction` names the graph's output to compare. */
export function addLoss(graph: Graph, loss: Loss, prediction = "output"): Graph {
  const { inputs, results } = loss.attach(cast(graph.output(prediction), "float32"));
  const outputs = RESULTS.flatMap((name) => (results[name] ? [[name, results[name]] as const] : []));
  return new Graph(graph.name, [...graph.inputs, ...inputs], new Map([...graph.outputs, ...outputs]));
}
