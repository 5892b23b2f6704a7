import type { Node as SyntaxNode } from "web-tree-sitter";

/** Values of the JavaScript evaluator: what a layer's arguments can be made of, and TensorFlow.js's own objects. */

/** What could not be evaluated, and why. */
export class Unknown {
  constructor(readonly reason: string) {}
}

export class JsObject {
  constructor(readonly fields: Map<string, JsValue> = new Map()) {}
}

export class JsFunction {
  constructor(
    readonly node: SyntaxNode,
    readonly scope: Scope,
  ) {}
}

/** `tf`, `tf.layers`, `tf.layers.dense`: a name of the library, with its path under the namespace. */
export class LibraryName {
  constructor(readonly path: string) {}
}

/** A name under a path of the library; the namespace's own path is empty. */
export function joined(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

/** A layer, with the configuration that its toJSON would give but for its calls. */
export class LayerValue {
  /** Each call's inputs, by `apply`. */
  readonly calls: SymbolicTensor[][] = [];
  /** The condition it was made under, when that is not known. */
  madeWhen: string | undefined;

  constructor(
    readonly className: string,
    readonly name: string,
    readonly config: ReadonlyMap<string, JsValue>,
    readonly node: SyntaxNode,
    /** Where the layers were counted when it was made: earlier ones come first in a model. */
    readonly order: number,
  ) {}
}

/** The output of a layer's call. */
export class SymbolicTensor {
  constructor(
    readonly layer: LayerValue | ModelValue,
    readonly call: number,
    readonly output = 0,
  ) {}
}

/** `tf.sequential()` or `tf.model()`. */
export class ModelValue {
  readonly calls: SymbolicTensor[][] = [];
  /** Of a sequential model: its layers; a reason where one is not known. */
  readonly layers: (LayerValue | ModelValue | Unknown)[] = [];
  /** Name of the variable it was first assigned to, or of the function that gives it. */
  variable: string | undefined;
  /** The condition it was made under, when that is not known. */
  madeWhen: string | undefined;

  constructor(
    readonly kind: "Sequential" | "Model",
    readonly name: string,
    readonly node: SyntaxNode,
    readonly order: number,
    readonly inputs: readonly SymbolicTensor[] = [],
    readonly outputs: readonly SymbolicTensor[] = [],
  ) {}
}

export type JsValue =
  | undefined
  | null
  | boolean
  | number
  | string
  | JsValue[]
  | JsObject
  | JsFunction
  | LibraryName
  | LayerValue
  | ModelValue
  | SymbolicTensor
  | Unknown;

/** Names of a block or function. */
export class Scope {
  private readonly names = new Map<string, JsValue>();

  constructor(private readonly parent?: Scope) {}

  declare(name: string, value: JsValue): void {
    this.names.set(name, value);
  }

  /** The scope that has the name. */
  private owner(name: string): Scope | undefined {
    for (let scope: Scope | undefined = this; scope; scope = scope.parent) if (scope.names.has(name)) return scope;
    return undefined;
  }

  has(name: string): boolean {
    return this.owner(name) !== undefined;
  }

  get(name: string): JsValue {
    const owner = this.owner(name);
    return owner ? owner.names.get(name) : new Unknown(`${name} is not defined in this file`);
  }

  assign(name: string, value: JsValue): void {
    (this.owner(name) ?? this).names.set(name, value);
  }
}

/** What evaluating an expression asks of the evaluator (`evaluator.ts`). */
export interface Evaluator {
  /** Every model that was made, in order; a place that makes several is listed for each. */
  readonly models: ModelValue[];
  /** Counts layers and models by class, as TensorFlow.js does to name them. */
  readonly counts: Map<string, number>;
  /** Why it is not known whether what is evaluated now would run. */
  uncertain: string | undefined;
  order: number;
  /** The function or variable that models made now are known by. */
  readonly owner: string | undefined;
  step(): void;
  function(node: SyntaxNode, scope: Scope): JsFunction;
  /** Without `args`, parameters without a default are unknown. */
  call(fn: JsFunction, args: readonly JsValue[] | undefined): JsValue;
  /** Declares the names of a pattern. */
  bind(pattern: SyntaxNode, value: JsValue, scope: Scope): void;
}
