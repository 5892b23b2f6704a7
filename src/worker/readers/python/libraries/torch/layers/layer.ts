import { isFloating } from "../../../../../formats/dtype";
import type { Node } from "../../../../../graph/node";
import type { Initializer } from "../../../../model";
import { typeName } from "../../../values/types";
import { EvaluationError, Unknown } from "../../../values/unknown";
import {
  type BoundArgs,
  PyClass,
  PyError,
  PyFloat,
  PyList,
  PyNative,
  PyObject,
  PyTensor,
  PyTuple,
  type Runtime,
  type Value,
} from "../../../values/values";
import { derivedWeight } from "../module/derived";
import { newModuleState, stateOf } from "../module/module";
import { isNumber, numberOf, sequenceOf } from "../registry/arguments";
import { guarded } from "../registry/native";
import { dtypeFrom } from "../tensor/dtypes";
import { tensorScalar } from "../tensor/fold";
import { newStored } from "../tensor/parameter";
import { nodeOf, wrap } from "../tensor/tensor";
import { tied } from "../tensor/views";
import { baseOfLayer, setConstants } from "./families";

/**
 * The mechanism of torch.nn's layers. A layer is an entry of the table: PyTorch's constructor signature, what it registers,
 * and its forward. Instances are ordinary PyObjects, so that a class of the file can derive from one.
 */

export const layerClasses = new Map<string, PyClass>();

/** A dimension, or why it is unknown. */
export type Size = number | Unknown;

/** The instance under construction. */
export class Construction {
  constructor(
    readonly self: PyObject,
    readonly args: BoundArgs,
    readonly runtime: Runtime,
    private readonly name: string,
  ) {}

  /** A whole number of a constructor's argument; bool and float are PyTorch's TypeError. */
  size(name: string): Size {
    return this.sizeOf(this.args[name] ?? null, name);
  }

  sizeOf(given: Value, name: string): Size {
    // A tensor of one whole number stands for it.
    const whole = given instanceof PyTensor && !isFloating(given.dtype);
    const value = whole ? tensorScalar(given, this.runtime) : given;
    if (whole) stateOf(this.self, this.runtime).options[name] = value;
    if (value instanceof Unknown) return value;
    if (typeof value === "number") {
      if (value < 0) {
        throw new PyError(
          "RuntimeError",
          `Trying to create tensor with negative dimension ${value}: [${name} of ${this.name}]`,
          this.runtime.place,
        );
      }
      return value;
    }
    throw new PyError(
      "TypeError",
      `empty(): argument 'size' failed to unpack the object at pos 1 with error "type must be tuple of ints,but got ${typeName(value)}" (${name} of ${this.name})`,
      this.runtime.place,
    );
  }

  /** An int or a sequence of ints. */
  sizes(name: string): Size[] {
    const value = this.args[name] ?? null;
    if (value instanceof Unknown) return [value];
    return (sequenceOf(value) ?? [value]).map((v) => this.sizeOf(v, name));
  }

  /** An int for each of `rank` dimensions. */
  tuple(name: string, rank: number): Size[] {
    const all = this.sizes(name);
    return all.length === 1 ? Array.from({ length: rank }, () => all[0]!) : all;
  }

  /** An attribute that no argument gives, or another value than the argument's. */
  show(name: string, value: Value): void {
    stateOf(this.self, this.runtime).options[name] = value;
  }

  /** The attribute of an argument as a tuple: a single number holds for each of `rank` dimensions. */
  showTuple(name: string, rank: number): void {
    const value = this.shown(name);
    if (value instanceof PyList) this.show(name, new PyTuple(value.items));
    else if (isNumber(value)) this.show(name, new PyTuple(Array.from({ length: rank }, () => value)));
  }

  /** The attribute as it is now. */
  shown(name: string): Value {
    return stateOf(this.self, this.runtime).options[name] ?? null;
  }

  flag(name: string): boolean {
    const value = this.args[name] ?? null;
    if (value instanceof Unknown) {
      throw new EvaluationError(`${name} of ${this.name} is unknown because ${value.reason}`, this.runtime.place);
    }
    return this.runtime.truthy(value);
  }

  error(type: string, message: string): PyError {
    return new PyError(type, message, this.runtime.place);
  }

  parameter(name: string, shape: readonly Size[], initializer: Exclude<Initializer, { kind: "graph" }>): PyTensor {
    const tensor = newStored(shape, initializer, this.runtime, false, dtypeFrom(this.args.dtype ?? null) ?? "float32");
    stateOf(this.self, this.runtime).parameters.set(name, tensor);
    tensor.firstValues = initializer;
    return tensor;
  }

  /** Registers a parameter as None: `Linear(bias=False)`. */
  noParameter(name: string): void {
    stateOf(this.self, this.runtime).parameters.set(name, null);
  }

  buffer(name: string, shape: readonly Size[], value: number, dtype: PyTensor["dtype"] = "float32"): void {
    const tensor = newStored(shape, { kind: "constant", value }, this.runtime, true, dtype);
    stateOf(this.self, this.runtime).buffers.set(name, { tensor, persistent: true });
  }

  /** Registers a buffer as None. */
  noBuffer(name: string): void {
    stateOf(this.self, this.runtime).buffers.set(name, { tensor: null, persistent: true });
  }

  child(name: string, module: PyObject): PyObject {
    stateOf(this.self, this.runtime).modules.set(name, module);
    return module;
  }

  /** Another layer of ours, constructed as the source would. */
  make(kind: string, args: readonly Value[], kwargs: Readonly<Record<string, Value>> = {}): PyObject {
    const made = this.runtime.call(layerClasses.get(kind)!, args, new Map(Object.entries(kwargs)));
    if (made instanceof PyObject) return made;
    throw new EvaluationError(`${kind} of ${this.name} could not be made`, this.runtime.place);
  }
}

/** What a layer's forward sees. */
export class Application {
  constructor(
    readonly self: PyObject,
    readonly args: BoundArgs,
    readonly runtime: Runtime,
  ) {}

  get input(): Node {
    return this.tensor("input");
  }

  tensor(name: string): Node {
    const value = this.args[name];
    if (value instanceof PyTensor) return nodeOf(value, this.runtime);
    throw new PyError(
      "TypeError",
      `${this.self.type.name}(): argument '${name}' must be Tensor, not ${typeName(value ?? null)}`,
      this.runtime.place,
    );
  }

  /** A registered parameter or buffer; None is undefined. */
  weight(name: string): Node | undefined {
    const state = stateOf(this.self, this.runtime);
    const tensor = state.parameters.get(name) ?? state.buffers.get(name)?.tensor;
    if (!tensor) return derivedWeight(this.self, name, this.runtime);
    if (tensor.unknown) {
      throw new EvaluationError(
        `${this.self.type.name} cannot be applied: the shape of its ${name} is unknown because ${tensor.unknown.reason}`,
        this.runtime.place,
      );
    }
    return nodeOf(tensor, this.runtime);
  }

  required(name: string): Node {
    const node = this.weight(name);
    if (node) return node;
    throw new PyError("TypeError", `${this.self.type.name} has no ${name}`, this.runtime.place);
  }

  option(name: string): Value {
    const value = layerOption(this.self, name);
    if (value instanceof Unknown) {
      throw new EvaluationError(
        `${name} of ${this.self.type.name} is unknown because ${value.reason}`,
        this.runtime.place,
      );
    }
    return value;
  }

  number(name: string): number {
    const value = this.option(name);
    if (isNumber(value)) return numberOf(value);
    throw new PyError(
      "TypeError",
      `${name} of ${this.self.type.name} must be a number, not ${typeName(value)}`,
      this.runtime.place,
    );
  }

  get training(): boolean {
    return stateOf(this.self, this.runtime).training;
  }
}

/** A layer's option: what the code assigned to the attribute counts, as in PyTorch, be it a module or None. */
export function layerOption({ attributes, module }: PyObject, name: string): Value {
  const own = attributes.get(name);
  if (own !== undefined) return own;
  return (module?.modules.has(name) ? module.modules.get(name) : module?.options[name]) ?? null;
}

export interface LayerSpec {
  /** Registers parameters, buffers and children, in PyTorch's order. */
  readonly build?: (construction: Construction) => void;
  /** Parameters of forward; `input` alone when not given. */
  readonly inputs?: string;
  readonly forward: (application: Application) => Node | Value;
  /** Arguments that are no attributes of the layer, beside those that no layer of torch keeps. */
  readonly without?: readonly string[];
  readonly base?: PyClass;
}

/** Arguments that layers use and do not keep. */
const NOT_KEPT = new Set(["args", "kwargs", "device", "dtype", "size_average", "reduce", "_weight", "_freeze"]);

/** The other arguments are attributes, unless a parameter, buffer or module has the name. */
function keepOptions(self: PyObject, without: readonly string[] | undefined): void {
  const { options, parameters, buffers, modules } = self.module!;
  for (const [name, value] of Object.entries(options)) {
    if (NOT_KEPT.has(name) || without?.includes(name)) continue;
    if (!parameters.has(name) && !buffers.has(name) && !modules.has(name)) self.attributes.set(name, value);
  }
}

export function layer(name: string, signature: string, spec: LayerSpec): PyClass {
  const base = spec.base ?? baseOfLayer(name);
  const type = new PyClass(name, [base], new Map(), undefined, {});
  type.mro = [type, ...base.mro];
  setConstants(type);
  const parameters = signature ? `self, ${signature}` : "self";
  type.members.set(
    "__init__",
    new PyNative("__init__", parameters, (args, runtime) => {
      const self = instance(args.self, name);
      self.module = newModuleState();
      for (const [key, value] of Object.entries(args)) if (key !== "self") self.module.options[key] = value;
      spec.build?.(new Construction(self, args, runtime, name));
      keepOptions(self, spec.without);
      return null;
    }),
  );
  type.members.set(
    "forward",
    new PyNative("forward", `self, ${spec.inputs ?? "input"}`, (args, runtime) => {
      const unknown = Object.values(args).find((a) => a instanceof Unknown);
      if (unknown) return unknown;
      return guarded(runtime, () => {
        const result = spec.forward(new Application(instance(args.self, name), args, runtime));
        return tied(name, isNode(result) ? wrap(result) : result, Object.values(args));
      });
    }),
  );
  layerClasses.set(name, type);
  return type;
}

function isNode(value: Node | Value): value is Node {
  return typeof value === "object" && value !== null && "op" in value;
}

export function instance(value: Value | undefined, name: string): PyObject {
  if (value instanceof PyObject) return value;
  throw new PyError("TypeError", `a method of ${name} was called with ${typeName(value ?? null)} as self`);
}

/** Layers that are counted and shown, and cannot run yet. */
export function notYet(application: Application): never {
  throw new EvaluationError(`${application.self.type.name} is not supported in forward yet`, application.runtime.place);
}

/** U(-1/sqrt(fanIn), 1/sqrt(fanIn)): what kaiming_uniform_(a=sqrt(5)) comes to, computed as PyTorch computes it. */
export function kaimingUniform(fanIn: Size): Exclude<Initializer, { kind: "graph" }> {
  if (fanIn instanceof Unknown || fanIn === 0) return { kind: "uniform", low: 0, high: 0 };
  const gain = Math.sqrt(2 / (1 + Math.sqrt(5) ** 2));
  const bound = Math.sqrt(3) * (gain / Math.sqrt(fanIn));
  return { kind: "uniform", low: -bound, high: bound };
}

export function symmetricUniform(bound: number): Exclude<Initializer, { kind: "graph" }> {
  return { kind: "uniform", low: -bound, high: bound };
}

export const inverseRoot = (n: Size): number => (n instanceof Unknown || n <= 0 ? 0 : 1 / Math.sqrt(n));

/** The product; unknown when a factor is. */
export function product(factors: readonly Size[]): Size {
  let n = 1;
  for (const factor of factors) {
    if (factor instanceof Unknown) return factor;
    n *= factor;
  }
  return n;
}

/** The quotient of sizes, for groups. */
export function divided(a: Size, b: Size): Size {
  if (a instanceof Unknown) return a;
  if (b instanceof Unknown) return b;
  return Math.floor(a / b);
}

export const ZERO = { kind: "constant", value: 0 } as const;
export const ONE = { kind: "constant", value: 1 } as const;
export const float = (value: number): PyFloat => new PyFloat(value);
