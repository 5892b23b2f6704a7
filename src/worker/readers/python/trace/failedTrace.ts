import { sizeOf } from "../../../formats/tensor";
import { forKind } from "../../../graph/kinds";
import type { Node, SourcePlace } from "../../../graph/node";
import type { OpName } from "../../../graph/ops";
import type { Problem } from "../../model";
import { pythonMessage } from "../evaluate/errors";
import type { FailedOperation, OperandSeen, Recorder } from "../evaluate/recorder";
import { Cancelled } from "../evaluate/scope";
import type { Evaluator } from "../values/evaluator";
import { PyError, type PyObject, type PyTensor } from "../values/values";
import { specsOf } from "./argument";
import { forwardParams, inputToState } from "./inputs";
import type { Failure } from "./trace";

/**
 * Why a trace failed, as a problem at the expression. It is an error only when it is one for sure: the inputs come from
 * a call in the file, or the shapes that do not fit come from the code's own layers and so are the same for every input.
 */

export interface FailedAttempt {
  readonly failure: Failure;
  readonly recorder: Recorder;
}

/** PyTorch's exceptions for shapes that do not fit. A missing method or argument may be what we do not know yet. */
export const SHAPE_ERRORS = new Set(["RuntimeError", "IndexError"]);

/** @param best the attempt that came farthest, one of `failed`. */
export function problemOf(
  ev: Evaluator,
  root: PyObject,
  failed: readonly FailedAttempt[],
  best: FailedAttempt,
): Problem | undefined {
  const { error, example } = best.failure;
  if (error instanceof Cancelled) return undefined;
  const place = error.place ?? root.place ?? ev.source.place({ start: 0, end: 0 });
  const operation = best.recorder.failureOf(error);
  const inputs = example.given ?? false;
  if (!(error instanceof PyError)) {
    const message = `No shapes for ${root.type.name}: forward could not be traced past this line. ${error.message}`;
    return { place, severity: "information", code: "not-traced", message };
  }
  // Code that was skipped on the way may be the reason: then nothing is known for sure.
  if (best.failure.problems.length > 0) return undefined;
  // Unknown values are reported where they became unknown; any other exception may come from a wrong guess.
  if (!operation || !SHAPE_ERRORS.has(error.type)) return undefined;
  const sure = inputs || (isFixed(operation) && sameEverywhere(failed, best));
  const fed = [...example.arguments.values()]
    .flatMap(specsOf)
    .map(({ name, shape }) => `${name} [${shape.join(", ")}]`)
    .join(", ");
  const explained = explain(operation);
  const pytorch = `PyTorch: ${pythonMessage(error)}`;
  if (!sure) {
    const [name, shape] = inputToState(forwardParams(root), example);
    return {
      place: classLine(root, place),
      severity: "information",
      code: "not-traced",
      message: `No shapes for ${root.type.name}: no example input fits. With ${fed} (${example.from}): ${explained ?? error.message}. To check its shapes, call the model once in the file, or state its inputs in a comment in the class, # lora-lens: input ${name} = ${shape}.`,
    };
  }
  const { at } = operation;
  const elsewhere = at && at.file !== place.file ? [{ place: at, message: "The expression is here." }] : [];
  const reach = inputs ? [`With ${fed} from ${example.from}.`] : [];
  return {
    place,
    severity: "error",
    code: looksTransposed(operation) ? "lora-transposed" : "shape-mismatch",
    // On lines of their own: editors do not break a long one.
    message: [...(explained ? [`${explained}.`] : []), `${pytorch}.`, ...reach].join("\n"),
    related: [...elsewhere, ...callsTo(operation)],
  };
}

/** Only `class Net`: marking a whole class would not help. */
function classLine(root: PyObject, otherwise: SourcePlace): SourcePlace {
  const place = root.type.place;
  if (!place) return otherwise;
  const endColumn = place.column + `class ${root.type.name}`.length;
  return { ...place, endLine: place.line, endColumn };
}

/** A low-rank matrix that would fit the other way round: LoRA's A is [r, in] and B [out, r], or both transposed. */
function looksTransposed({ name, operands }: FailedOperation): boolean {
  if (!["linear", "@", "matmul", "mm"].includes(name)) return false;
  const [a, b] = operands;
  const [rows, columns] = b?.tensor.stored && b.tensor.shape.length === 2 ? b.tensor.shape : [];
  const last = a?.tensor.shape.at(-1);
  if (rows === undefined || columns === undefined || last === undefined) return false;
  const isLowRank = Math.min(rows, columns) * 2 <= Math.max(rows, columns);
  return isLowRank && last === (name === "linear" ? rows : columns);
}

/** The calls that led to the expression, nearest first, when it stands in another function than the model's forward. */
export function callsTo({ frames }: FailedOperation): NonNullable<Problem["related"]> {
  return frames
    .slice(1)
    .reverse()
    .flatMap(({ fn, calledAt, inputs }) => {
      if (!calledAt) return [];
      const given = inputs.map(({ name, shape }) => `${name} [${shape.map((d) => d ?? "unknown").join(", ")}]`);
      return [
        { place: calledAt, message: `${fn} is called here${given.length > 0 ? ` with ${given.join(", ")}` : ""}` },
      ];
    });
}

/** All attempts that came to this expression failed there. */
function sameEverywhere(failed: readonly FailedAttempt[], best: FailedAttempt): boolean {
  return failed.every(
    ({ failure }) => failure.steps < best.failure.steps || failure.error.place === best.failure.error.place,
  );
}

// Words

const text = (shape: PyTensor["shape"]): string => `[${shape.map((d) => d ?? "unknown").join(", ")}]`;

function named({ text: source, tensor }: OperandSeen): string {
  const path = tensor.stored?.path;
  const name = source !== undefined && source.length <= 60 ? source : path;
  return name === undefined ? `a tensor ${text(tensor.shape)}` : `\`${name}\` ${text(tensor.shape)}`;
}

/** Which operand has which shape and what was expected; undefined where PyTorch's own message says as much. */
export function explain({ name, layer, operands }: FailedOperation): string | undefined {
  const [a, b] = operands;
  if (layer && a) return explainLayer(layer, a);
  switch (name) {
    case "linear":
      return a && b ? explainLinear(a, b) : undefined;
    case "@":
    case "matmul":
    case "mm":
    case "bmm":
      return a && b ? explainProduct(a, b) : undefined;
    case "cat":
    case "concat":
      return operands.length > 1
        ? `concatenated tensors must have equal sizes in all other dimensions: ${listed(operands)}`
        : undefined;
    case "view":
    case "reshape":
      return a ? `${named(a)} has ${count(a.tensor.shape)} elements, which do not fit the requested shape` : undefined;
  }
  if (a && b && /^\W+$/.test(name)) return explainBroadcast(name, a, b);
  return operands.length > 0 ? `${name} was given ${listed(operands)}` : undefined;
}

function explainLayer(layer: PyObject, input: OperandSeen): string {
  const {
    in_features: takes,
    out_features: gives,
    num_features: channels,
    in_channels: planes,
  } = layer.module?.options ?? {};
  const kind = layer.type.name;
  if (typeof takes === "number") {
    return `${kind}(${takes} → ${String(gives)}) takes inputs whose last dimension is ${takes}; ${named(input)} has last dimension ${input.tensor.shape.at(-1) ?? "none"}`;
  }
  const weight = layer.module?.parameters.get("weight");
  if (typeof planes === "number" || typeof channels === "number") {
    const wanted = (planes ?? channels) as number;
    return `${kind} takes ${wanted} channels, dimension 1 of its input; its input is ${named(input)}`;
  }
  const of = weight ? ` has a weight ${text(weight.shape)} and` : "";
  return `${kind}${of} was given ${named(input)}`;
}

function explainLinear(input: OperandSeen, weight: OperandSeen): string {
  const [out, takes] = weight.tensor.shape;
  const last = input.tensor.shape.at(-1);
  const transposed = last !== undefined && last === out ? "; the weight looks transposed" : "";
  return `F.linear expects weight [out, in]; the input ${named(input)} has last dimension ${last ?? "none"}, the weight ${named(weight)} takes ${takes ?? "none"}${transposed}`;
}

function explainProduct(a: OperandSeen, b: OperandSeen): string {
  const [left, right] = [a.tensor.shape.at(-1), b.tensor.shape.at(-2)];
  const fits = left !== undefined && left === b.tensor.shape.at(-1);
  const hint = fits ? `; it would fit transposed: \`${b.text ?? "the right side"}\` may be meant as its .T` : "";
  return `the left side ${named(a)} has last dimension ${left ?? "none"}, the right side ${named(b)} has ${right ?? "no"} rows; they must be equal${hint}`;
}

function explainBroadcast(op: string, a: OperandSeen, b: OperandSeen): string {
  const at = clash(a.tensor.shape, b.tensor.shape);
  const where =
    at === undefined
      ? ""
      : `: dimension ${at} is ${a.tensor.shape.at(at)} on the left and ${b.tensor.shape.at(at)} on the right`;
  return `${named(a)} ${op} ${named(b)} do not broadcast${where}`;
}

/** The last dimension, counted from the end, in which two shapes do not broadcast. */
export function clash(a: PyTensor["shape"], b: PyTensor["shape"]): number | undefined {
  for (let i = -1; i >= -Math.min(a.length, b.length); i--) {
    const [x, y] = [a.at(i), b.at(i)];
    if (x !== y && x !== 1 && y !== 1) return i;
  }
  return undefined;
}

function listed(operands: readonly OperandSeen[]): string {
  return operands.slice(0, 6).map(named).join(" and ");
}

function count(shape: PyTensor["shape"]): string {
  return shape.some((d) => d === undefined) ? "unknown" : sizeOf(shape as readonly number[]).toLocaleString("en-US");
}

// Provenance

/** Whether the sizes that do not fit come from weights, and so are the same for every input. */
function isFixed({ name, layer, operands }: FailedOperation): boolean {
  const [a, b] = operands;
  if (layer) return typeof layer.module?.options.in_features === "number" && a !== undefined && fixedAt(a, -1);
  if (!a || !b) return false;
  switch (name) {
    case "linear":
      return fixedAt(a, -1) && fixedAt(b, -1);
    case "@":
    case "matmul":
    case "mm":
      return fixedAt(a, -1) && fixedAt(b, b.tensor.shape.length > 1 ? -2 : -1);
  }
  if (!/^[-+*/]$/.test(name)) return false;
  const at = clash(a.tensor.shape, b.tensor.shape);
  return at !== undefined && fixedAt(a, at) && fixedAt(b, at);
}

function fixedAt({ tensor }: OperandSeen, axis: number): boolean {
  if (tensor.stored) return true;
  return tensor.node !== undefined && comesFromWeights(tensor.node, axis, 0);
}

/** Asks the same of one of the node's operands. */
type Ask = (operand: Node, axis: number) => boolean;
/** Whether the size of the node's axis, counted from the end as a negative number, comes from weights. */
type FromWeights<O extends OpName = OpName> = (node: Node<O>, axis: number, ask: Ask) => boolean;

const never: FromWeights = () => false;
/** Every dimension is the first operand's. */
const kept: FromWeights = ({ inputs }, axis, ask) => ask(inputs[0]!, axis);
const broadcasts: FromWeights = ({ inputs }, axis, ask) =>
  inputs.some((n) => (n.shape.at(axis) ?? 1) !== 1 && ask(n, axis));

const FROM_WEIGHTS: { readonly [O in OpName]: FromWeights<O> } = {
  ...forKind("leaf", never),
  parameter: () => true,
  ...forKind("unary", kept),
  ...forKind("identity", kept),
  ...forKind("binary", broadcasts),
  ...forKind("select", broadcasts),

  linear: ({ inputs }, axis, ask) => axis === -1 || ask(inputs[0]!, axis),
  matmul: ({ inputs, attrs: { transposeA, transposeB } }, axis, ask) => {
    if (axis === -1) return ask(inputs[1]!, transposeB ? -2 : -1);
    return axis === -2 && ask(inputs[0]!, transposeA ? -1 : -2);
  },
  ...forKind("window", never),

  transpose: ({ inputs, shape, attrs }, axis, ask) => ask(inputs[0]!, attrs.perm[shape.length + axis]! - shape.length),
  reshape: never,
  expand: never,
  slice: never,
  ...forKind("join", never),

  gather: ({ inputs, attrs }, axis, ask) =>
    attrs.axis === 0 && -axis < inputs[0]!.shape.length && ask(inputs[0]!, axis),
  scatterAdd: never,
  gatherElements: never,
  scatterElements: never,
  scatterElementsAdd: never,

  ...forKind("reduction", never),
  ...forKind("order", never),
  ...forKind("scan", kept),
  ...forKind("normalization", kept),
  ...forKind("statistic", never),
};

/** How far back an operand's operands are asked. */
const MOST_OPERATIONS = 200;

/** Whether the size of the axis, counted from the end as a negative number, does not depend on the inputs. */
function comesFromWeights(node: Node, axis: number, depth: number): boolean {
  if (depth > MOST_OPERATIONS || -axis > node.shape.length) return false;
  return (FROM_WEIGHTS[node.op] as FromWeights)(node, axis, (operand, at) => comesFromWeights(operand, at, depth + 1));
}
