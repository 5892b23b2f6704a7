import { type DType, isFloating } from "../../../../../formats/dtype";
import { sizeOf } from "../../../../../formats/tensor";
import * as build from "../../../../../graph/build";
import { Graph } from "../../../../../graph/graph";
import { is, Node } from "../../../../../graph/node";
import { memoized } from "../../../../memoized";
import type { Dim } from "../../../../model";
import { EvaluationError, Unknown } from "../../../values/unknown";
import { PyError, PyTensor, type Runtime, Storage, type StoredTensor } from "../../../values/values";
import { type RandomValue, shifted } from "../random/draws";
import { selectedRows } from "./selectedRows";

export function parameterStorage(stored: StoredTensor, node: Node): Storage {
  let { storage } = stored;
  if (!storage) {
    storage = new Storage(node);
    if (stored.buffer) storage.buffer = `the buffer ${stored.path}`;
    else storage.fixed = `the parameter ${stored.path}`;
    stored.storage = storage;
  }
  return storage;
}

/** Thrown to give a whole operation's result as unknown; the dispatcher turns it into the value. */
export class UnknownResult extends Error {
  constructor(readonly unknown: Unknown) {
    super(unknown.reason);
  }
}

export function wrap(node: Node): PyTensor {
  selectedRows(node);
  return new PyTensor(node, node.shape, node.dtype);
}

/** The tensor's value as a graph node. */
export function nodeOf(tensor: PyTensor, runtime?: Runtime): Node {
  const { stored } = tensor;
  if (stored?.path !== undefined) {
    if (tensor.unknown || tensor.shape.some((d) => d === undefined)) throw new UnknownResult(reasonOf(tensor));
    let { node } = stored;
    if (!node) {
      node = build.parameter(stored.path, tensor.shape as readonly number[], tensor.dtype);
      stored.node = node;
    }
    const { storage } = stored;
    if (storage?.unknown) throw new UnknownResult(storage.unknown);
    return storage?.node ?? node;
  }
  if (!tensor.node) throw new UnknownResult(reasonOf(tensor));
  if (runtime?.tracing && isRandom(tensor.node)) {
    throw new EvaluationError(
      "a random tensor that is neither a parameter nor a buffer is not supported in forward: its values differ from run to run",
      runtime.place,
    );
  }
  return tensor.node;
}

export function reasonOf(tensor: PyTensor): Unknown {
  return tensor.unknown ?? new Unknown("a tensor's shape is unknown");
}

/** A tensor known by its shape alone. */
export function unknownTensor(shape: readonly Dim[], dtype: DType, unknown: Unknown): PyTensor {
  return new PyTensor(undefined, shape, dtype, unknown);
}

// Random values

export function randomOf(node: Node | undefined): RandomValue | undefined {
  return node instanceof RandomNode ? node.value : undefined;
}

/** Whether a node is computed from random numbers. */
const isRandom = memoized((node: Node): boolean => node instanceof RandomNode || node.inputs.some(isRandom));

/** A placeholder for random numbers. */
export class RandomNode extends Node<"input"> {
  constructor(
    readonly value: RandomValue,
    shape: readonly number[],
    dtype: DType,
  ) {
    super("input", [], { name: `random ${value.draw.order}` }, shape, dtype);
  }
}

/** A placeholder for numbers that are drawn when the model is initialized. */
export function randomTensor(
  initializer: RandomValue["initializer"],
  shape: readonly number[],
  dtype: DType,
  { random }: Runtime,
): PyTensor {
  return wrap(new RandomNode(random.draw(initializer, sizeOf(shape)), shape, dtype));
}

// Stored tensors

/** Makes `tensor` a parameter or persistent buffer. Its node is its initial value. */
export function store(tensor: PyTensor, buffer: boolean, runtime: Runtime): void {
  addOwner(tensor.storage, tensor);
  const random = randomOf(tensor.node);
  if (!random && tensor.node && isRandom(tensor.node)) {
    runtime.problem(
      "this initial value is computed from random numbers in a way that is not reproduced: it starts from a normal distribution with standard deviation 0.02",
      "information",
    );
    const approximate = runtime.random.draw({ kind: "normal", mean: 0, std: 0.02 }, sizeOf(tensor.node.shape));
    tensor.stored = { buffer, initializer: approximate.initializer, order: approximate.draw.order };
  } else if (random) {
    tensor.stored = { buffer, initializer: random.initializer, order: random.draw.order };
  } else {
    tensor.stored = { buffer, initializer: initializerOf(tensor.node), order: runtime.random.creationOrder() };
  }
}

function addOwner(storage: Storage, tensor: PyTensor): void {
  storage.owners ??= new Set();
  storage.owners.add(tensor);
}

/** Whether a copy of the tensor can have numbers of its own: those of a plain tensor are drawn nowhere else. */
export function canDrawAgain({ node, stored }: PyTensor): boolean {
  return stored !== undefined || !node || !isRandom(node);
}

/** The tensor as a second construction makes it, whose random numbers come `shift` later. */
export function drawnAgain(tensor: PyTensor, shift: number): PyTensor {
  const { node, stored } = tensor;
  const random = randomOf(node);
  const own = random && { ...random, draw: shifted(random.draw, shift) };
  const copy = new PyTensor(
    node && own ? new RandomNode(own, node.shape, node.dtype) : node,
    tensor.shape,
    tensor.dtype,
    tensor.unknown,
  );
  copy.requiresGrad = tensor.requiresGrad;
  if (!stored) return copy;
  const { buffer, initializer, order, patch, derive } = stored;
  copy.stored = { buffer, initializer, order: order + shift, ...(patch && { patch }), ...(derive && { derive }) };
  if (tensor.storage.owners) addOwner(copy.storage, copy);
  return copy;
}

function initializerOf(node: Node | undefined): StoredTensor["initializer"] {
  if (!node) return { kind: "constant", value: 0 };
  if (is(node, "constant") && node.attrs.data.length === 1)
    return { kind: "constant", value: Number(node.attrs.data[0]) };
  return { kind: "graph", graph: new Graph("initial value", [], new Map([["value", node]])) };
}

/** An in-place operation whose result is unknown: so is the tensor from here on, under every name it has. */
export function forgetValue(tensor: PyTensor, unknown: Unknown, runtime: Runtime): void {
  if (tensor.stored || tensor.storage.fixed !== undefined) return;
  runtime.changing(tensor.storage);
  tensor.storage.node = undefined;
  tensor.storage.unknown = unknown;
  forgetRivals(tensor.storage, runtime);
}

/** After a change in place: what may be the same memory, by strides that are not followed, is not known any more. */
function forgetRivals(storage: Storage, runtime: Runtime): void {
  for (const rival of storage.rivals) {
    runtime.changing(rival);
    rival.node = undefined;
    rival.unknown = new Unknown(
      "depending on strides, it may share memory with a tensor that is changed in place here: clone() always makes a copy",
      runtime.place,
    );
  }
}

function writeStored(storage: Storage, node: Node): boolean {
  storage.node = node;
  storage.unknown = undefined;
  return true;
}

/** Gives `tensor` another value in place, as PyTorch's methods with a trailing underscore do. */
export function replaceValue(tensor: PyTensor, node: Node, runtime: Runtime): PyTensor {
  const { stored } = tensor;
  const storage = stored?.path === undefined ? tensor.storage : parameterStorage(stored, nodeOf(tensor));
  if (storage.fixed !== undefined) {
    // What reads it from here on would read the old value.
    const reason = `changing ${storage.fixed} in place is not supported in forward: only training changes a graph's weights`;
    runtime.changing(storage);
    storage.node = undefined;
    storage.unknown = new Unknown(reason, runtime.place);
    throw new EvaluationError(reason, runtime.place);
  }
  runtime.changing(storage);
  if (runtime.tracing && storage.buffer !== undefined) {
    runtime.problem(
      `${storage.buffer} is changed in forward: this call sees the change, but the next one starts from the stored value again`,
      "information",
    );
  }
  const written = stored?.path === undefined ? tensor.write(node) : writeStored(storage, node);
  if (!written) {
    throw new PyError(
      "RuntimeError",
      "unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please clone() the tensor before performing the operation.",
      runtime.place,
    );
  }
  forgetRivals(storage, runtime);
  if (stored?.path !== undefined) return tensor;
  if (stored) addOwner(storage, tensor);
  for (const owner of storage.owners ?? []) if (owner.stored) store(owner, owner.stored.buffer, runtime);
  return tensor;
}

// Type promotion: https://docs.pytorch.org/docs/stable/tensor_attributes.html#torch.dtype

const INTEGER_ORDER: readonly DType[] = ["bool", "uint8", "int8", "int16", "int32", "int64"];

/** The dtype that holds both; of two half precisions, float32. */
export function promote(a: DType, b: DType): DType {
  if (a === b) return a;
  if (isFloating(a) !== isFloating(b)) return isFloating(a) ? a : b;
  if (isFloating(a)) {
    if (a === "float64" || b === "float64") return "float64";
    return "float32";
  }
  if (a === "bool") return b;
  if (b === "bool") return a;
  if (a === "uint8" || b === "uint8") {
    const other = a === "uint8" ? b : a;
    return other === "int8" ? "int16" : other;
  }
  return INTEGER_ORDER.indexOf(a) > INTEGER_ORDER.indexOf(b) ? a : b;
}

const category = (dtype: DType): number => (isFloating(dtype) ? 2 : dtype === "bool" ? 0 : 1);

/** What takes part in promotion: a tensor with dimensions outranks one without, which outranks a Python number. */
export interface Operand {
  readonly dtype: DType;
  readonly rank: "tensor" | "scalar tensor" | "number";
}

export function resultType(operands: readonly Operand[]): DType {
  let result: DType | undefined;
  for (const rank of ["tensor", "scalar tensor", "number"] as const) {
    const own = operands.filter((o) => o.rank === rank).map((o) => o.dtype);
    if (own.length === 0) continue;
    const dtype = own.reduce(promote);
    // A lower rank matters only when its category is higher; then its own dtype counts.
    result = result === undefined ? dtype : category(dtype) > category(result) ? dtype : result;
  }
  return result ?? "float32";
}

export function operandOf(node: Node): Operand {
  return { dtype: node.dtype, rank: node.shape.length === 0 ? "scalar tensor" : "tensor" };
}

const SCALAR_TYPES: Readonly<Record<DType, string>> = {
  float64: "Double",
  float32: "Float",
  float16: "Half",
  bfloat16: "BFloat16",
  int64: "Long",
  int32: "Int",
  int16: "Short",
  int8: "Char",
  uint8: "Byte",
  bool: "Bool",
};

/** The dtype's name in PyTorch's error messages. */
export function scalarTypeName(dtype: DType): string {
  return SCALAR_TYPES[dtype];
}
