import type { DType } from "../../../formats/dtype";
import type { Node, SourcePlace } from "../../../graph/node";
import type { Checkpoint, Initializer } from "../../model";
import type { RandomNumbers } from "../libraries/torch/random/draws";
import { birth, Distinct } from "./identity";
import type { NumberFunction } from "./numberFunction";
import { moved, writtenThrough } from "./storage";
import type { Unknown } from "./unknown";

/**
 * Python values as the evaluator holds them.
 * None is null, bool a boolean, str a string, int a whole number; a float is boxed, so that 2.0 stays a float.
 */
export type Value =
  | null
  | boolean
  | number
  | string
  | PyFloat
  | PyList
  | PyTuple
  | PyDict
  | PySet
  | PySlice
  | PyEllipsis
  | PyFunction
  | PyNative
  | PyBound
  | PyClass
  | PyObject
  | PyNamespace
  | PyTensor
  | PyDType
  | PyGenerator
  | Unknown;

export class PyFloat {
  constructor(readonly value: number) {}
}
/** What an instance of a class of the source that derives from a builtin container has besides its items. */
export interface Subclassed {
  readonly type: PyClass;
  readonly attributes: Map<string, Value>;
}

export class PyList {
  born = birth();
  subclass?: Subclassed;
  private values: Value[] | undefined;
  private numbers: Float64Array | undefined;

  /** @param items become the list's: nobody else may hold them. Numbers are floats, which others may look at. */
  constructor(items: Value[] | Float64Array) {
    if (items instanceof Float64Array) this.numbers = items;
    else this.values = items;
  }

  get items(): Value[] {
    if (this.values) return this.values;
    this.values = Array.from(this.numbers!, (number) => new PyFloat(number));
    this.numbers = undefined;
    return this.values;
  }

  /** Its items while nobody has asked for them one by one: none is a value of its own yet. */
  get floats(): Float64Array | undefined {
    return this.numbers;
  }
}
export class PyTuple {
  subclass?: Subclassed;
  /** As a key of a dict, once it has been one: what is in a tuple that can be a key does not change. */
  key?: string;
  constructor(
    readonly items: readonly Value[],
    /** Names of a namedtuple's fields; torch's max(dim) returns (values, indices). */
    readonly fields?: readonly string[],
  ) {}
}
/** Keys are kept by Python equality: see `keyOf`. */
export class PyDict {
  born = birth();
  subclass?: Subclassed;
  constructor(readonly entries: Map<string, { key: Value; value: Value }> = new Map()) {}
}
export class PySet {
  born = birth();
  subclass?: Subclassed;
  readonly entries = new Map<string, Value>();
}
export class PySlice extends Distinct {
  constructor(
    readonly start: Value,
    readonly stop: Value,
    readonly step: Value,
  ) {
    super();
  }
}
export class PyEllipsis extends Distinct {}
export class PyDType {
  constructor(readonly dtype: DType) {}
}
/** A module such as `torch.nn`: attributes by name. */
export class PyNamespace extends Distinct {
  constructor(
    readonly name: string,
    readonly members: Map<string, Value>,
  ) {
    super();
  }
  get(name: string): Value | undefined {
    return this.members.get(name);
  }
}
/** A module whose source is evaluated as its names are asked for. */
export abstract class LazyNamespace extends PyNamespace {
  constructor(name: string) {
    super(name, new Map());
  }
  /** A name that the module itself gives, or a module below it. */
  abstract override get(name: string): Value | undefined;
  /** Its names, where they are the reading's own and code looks there for them. */
  ownNames(): Map<string, Value> | undefined {
    return undefined;
  }
  /** What `from module import *` gives under the name. */
  abstract exported(name: string): Value | undefined;
  /** Why a name that the module lacks may exist after all. */
  unlisted(_name: string): Unknown | undefined {
    return undefined;
  }
}

/** Arguments of a native call, bound to its signature: by parameter name; `*name` and `**name` collect. */
export type BoundArgs = Readonly<Record<string, Value>>;

/** What native code can use of the evaluator. */
export interface Runtime {
  /** Calls any callable value. */
  call(callee: Value, args: readonly Value[], kwargs?: ReadonlyMap<string, Value>): Value;
  /** Python's getattr; throws AttributeError as Python does. */
  getAttribute(object: Value, name: string): Value;
  /** Iterates as Python would; Unknown gives an EvaluationError. */
  iterate(value: Value): Iterable<Value>;
  truthy(value: Value): boolean;
  /** Reports a problem at the place being evaluated; evaluation goes on. */
  problem(message: string, severity?: "error" | "warning" | "information"): void;
  /** Reports a problem that holds regardless of how the code was reached, also in a trial. */
  certainly(message: string, severity?: "error" | "warning" | "information"): void;
  /** The expression being evaluated. */
  readonly place: SourcePlace | undefined;
  /** Set while `forward` is traced: nn modules are called to build graph nodes. */
  readonly tracing: boolean;
  /** Modules under construction. */
  readonly constructing: number;
  /** Counts work that a native does at length. */
  step(count: number): void;
  readonly random: RandomNumbers;
  /** Runs a module of torch's own: where it was made stands for its code. */
  inModule<T>(madeAt: SourcePlace | undefined, body: () => T): T;
  /** Called before a storage is changed in place. */
  changing(storage: Storage): void;
}

/** A parameter with its default already evaluated. */
export interface BoundParam {
  readonly name: string;
  readonly kind: "positionalOnly" | "normal" | "keywordOnly" | "star" | "doubleStar";
  readonly default?: Value | undefined;
}

/**
 * A function of ours as plain loops call it: on numbers, strings and containers of them. Undefined is for any other
 * arguments, which the function itself has to see.
 */
export type PlainFunction = (args: readonly Value[]) => Value | undefined;

/** A function of ours, callable from Python. */
export class PyNative extends Distinct {
  readonly born = birth();
  /** The signature, once it has been read. */
  params?: readonly BoundParam[];
  /** How plain loops call it. */
  plain?: PlainFunction;
  /** How columns of numbers call it. */
  numbers?: NumberFunction;
  constructor(
    readonly name: string,
    /** As Python writes it: "input, dim=None, *, keepdim=False". Defaults are Python literals. "*args" and "**kwargs" work. */
    readonly signature: string,
    readonly body: (args: BoundArgs, runtime: Runtime) => Value,
  ) {
    super();
  }
}
/** A method taken from an instance, class or builtin value. */
export class PyBound {
  constructor(
    readonly self: Value,
    readonly callee: PyFunction | PyNative,
  ) {}
}
/** A function or lambda of the source. The evaluator alone looks inside. */
export class PyFunction extends Distinct {
  readonly born = birth();
  /** What the source has set on it, `__name__` by functools.wraps for one. */
  attributes?: Map<string, Value>;
  /** The definition's parameters with the defaults, once it has been called. */
  params?: readonly BoundParam[];
  constructor(
    readonly name: string,
    /** The evaluator's definition node and captured scope. */
    readonly definition: unknown,
    readonly scope: unknown,
    readonly defaults: ReadonlyMap<string, Value>,
    readonly kind: "function" | "static" | "class" | "property" = "function",
  ) {
    super();
  }
}
/** An iterator: it goes on where it stopped, and leaving a loop over it does not end it. */
export class PyGenerator extends Distinct {
  readonly born = birth();
  private iterator: Iterator<Value, unknown> | undefined;
  constructor(private readonly source: Iterable<Value>) {
    super();
  }
  next(): IteratorResult<Value, unknown> {
    this.iterator ??= this.source[Symbol.iterator]();
    return this.iterator.next();
  }
  get items(): Iterable<Value> {
    return { [Symbol.iterator]: () => ({ next: () => this.next() }) };
  }
}
/** A class of the source, or one of ours (then `builtin` is set, as for every torch.nn class). */
export class PyClass extends Distinct {
  constructor(
    readonly name: string,
    readonly bases: readonly PyClass[],
    readonly members: Map<string, Value>,
    readonly place: SourcePlace | undefined,
    readonly builtin: BuiltinClass | undefined,
  ) {
    super();
  }
  /** Method resolution order, C3, itself first. Filled in by the evaluator when the class is made. */
  mro: readonly PyClass[] = [this];
  /** `__module__` of a class that Python source defines: the dotted name of its module. */
  definedIn?: string;
  /** A class of the source that makes this one, given by `metaclass=` or inherited. */
  metaclass?: PyClass;
  /** Of an enumeration: its members by name, aliases included. */
  enumMembers?: Map<string, PyObject>;
  /** Of a data class: its fields, its bases' first. */
  dataFields?: readonly DataField[];
  /** How plain loops make a value of it. */
  plain?: PlainFunction;
  /** Of objects that are known in part: why an attribute that one lacks is unknown, where for others it is an error. */
  missing?: (name: string) => string;
}
export interface DataField {
  readonly name: string;
  readonly annotation: Value;
  readonly default?: Value;
  readonly factory?: Value;
  readonly init: boolean;
  readonly repr: boolean;
  readonly compare: boolean;
  readonly keywordOnly: boolean;
  /** An InitVar: given to `__post_init__`, not stored. */
  readonly initOnly: boolean;
  readonly metadata: Value;
}
/** Hooks of a class written by us. All are optional; an ordinary method goes in PyClass.members as a PyNative with `self`. */
export interface BuiltinClass {
  /** Makes an instance that has fields of its own besides its attributes; of a class that derives from this one, too. */
  readonly instance?: (type: PyClass, place: SourcePlace | undefined) => PyObject;
  /** Replaces instance creation altogether, as tuple() or torch.Tensor() need. */
  readonly construct?: (args: readonly Value[], kwargs: ReadonlyMap<string, Value>, runtime: Runtime) => Value;
}
/** An instance. One whose class derives from torch.nn.Module has `module`. */
export class PyObject extends Distinct {
  born = birth();
  /** Set on a copy that nobody has looked into yet: its content is made when somebody does. */
  pending: PendingContent | undefined;
  /** Of a module of a class with a constructor of its own: what that was called with. */
  given: Given | undefined;
  private ownModule: ModuleState | undefined;
  private ownAttributes: Map<string, Value> | undefined;
  /** In a trace: it stands for a linear layer where the layer is registered, and its calls are marked in the graph. */
  standsFor?: { readonly path: string; readonly layer: PyObject };
  /** Of a module: weights that are computed from others, by name. */
  derivations?: Map<string, Derivation>;
  /** Of a class that derives from str, int or float: the value it is. */
  payload?: Value;
  /** Attributes that a descriptor of the class gives, while what it would give is unknown. */
  forgotten?: Map<string, Unknown>;
  /** Why it may have any attribute: one was set under a name that is not known. */
  unlisted?: Unknown;
  constructor(
    readonly type: PyClass,
    /** Where the constructing call stands. */
    readonly place: SourcePlace | undefined,
    attributes?: Map<string, Value>,
  ) {
    super();
    this.ownAttributes = attributes;
  }

  get module(): ModuleState | undefined {
    if (this.pending) this.pending.make(this);
    return this.ownModule;
  }

  set module(state: ModuleState | undefined) {
    if (this.pending) this.pending.make(this);
    this.ownModule = state;
  }

  get attributes(): Map<string, Value> {
    if (this.pending) this.pending.make(this);
    this.ownAttributes ??= new Map();
    return this.ownAttributes;
  }
}
/** Computes a weight from others whenever it is looked at, as parametrizations do. */
export type Derivation = (runtime: Runtime | undefined, training: boolean) => Node;
/** Makes the content of a copy. It clears `pending` first. */
export interface PendingContent {
  make(object: PyObject): void;
}
/** What a constructor is called with. */
export interface Given {
  readonly args: readonly Value[];
  readonly kwargs: ReadonlyMap<string, Value>;
}
/** What torch.nn.Module keeps, each in registration order. */
export interface ModuleState {
  readonly parameters: Map<string, PyTensor | null>;
  readonly buffers: Map<string, { readonly tensor: PyTensor | null; readonly persistent: boolean }>;
  readonly modules: Map<string, PyObject | null>;
  training: boolean;
  /** Of a torch.nn class: its constructor's arguments by name, for extra_repr and LoRA ("in_features"). */
  readonly options: Record<string, Value>;
  /** Where `from_pretrained` found it. */
  checkpoint?: Checkpoint;
  /** A loop over its modules has added to them without end. */
  endless?: true;
  /** Of a model of the file's own class: an outline of what its constructor made. */
  asMade?: string;
}

/** The memory that a tensor and its views share, as PyTorch's storages are shared. */
export class Storage {
  constructor(
    public node: Node | undefined,
    /** Set for one without a node: why. */
    public unknown?: Unknown,
  ) {}
  /** Set where nothing may be written: the parameter's path. */
  fixed?: string;
  /** Whether its elements lie in row-major order; undefined where that depends on what is not followed. */
  rowMajor: boolean | undefined = true;
  /** Storages that may be this one: whether PyTorch's reshape copies depends on strides. */
  readonly rivals = new Set<Storage>();
  /** Of a buffer in a trace: what messages call it. */
  buffer?: string;
  /** Parameters and buffers that are this memory: a change of a view of one changes its initial value. */
  owners?: Set<PyTensor>;
}

/**
 * A tensor. Its value is a graph node, so that creating, slicing and computing with tensors is building the graph.
 * Views share a storage: in-place methods change what it holds, and every tensor on it with it. A tensor with an
 * unknown dimension has no node, only what is known of its shape.
 */
export class PyTensor extends Distinct {
  born = birth();
  /** Its memory, which views of it share. */
  storage: Storage;
  /** What this tensor is of its storage: ops over `origin`, which stands for what the storage holds. */
  private path: Node | undefined;
  private origin: Node | undefined;
  /** The value when the storage held `seen`. */
  private current: Node | undefined;
  private seen: Node | undefined;

  constructor(
    node: Node | undefined,
    public shape: readonly (number | undefined)[],
    public dtype: DType,
    /** Set for a tensor without a node: why. */
    unknown?: Unknown,
  ) {
    super();
    this.storage = new Storage(node, unknown);
    this.path = this.origin = this.current = this.seen = node;
  }
  /** Set on nn.Parameter and registered buffers: identity decides tying; the path is assigned when the tree is walked. */
  stored?: StoredTensor;
  requiresGrad = false;
  /** Set on a value of nn.Buffer: assigning it to a module registers it. */
  bufferRequest?: { readonly persistent: boolean };
  /** Of a weight of torch's own layers: what `reset_parameters` gives it again. */
  firstValues?: Exclude<Initializer, { kind: "graph" }>;
  /** What code has set on it, `p._no_weight_decay = True`. */
  attributes?: Map<string, Value>;

  /** Its value now; undefined where that is unknown. */
  get node(): Node | undefined {
    const held = this.storage.node;
    if (!held || !this.path || !this.origin) return held && this.current;
    if (held !== this.seen) {
      this.current = moved(this.path, this.origin, held);
      this.seen = held;
    }
    return this.current;
  }

  get unknown(): Unknown | undefined {
    return this.storage.unknown;
  }

  /** The path of this tensor over its storage. */
  get window(): { readonly path: Node; readonly origin: Node } | undefined {
    return this.path && this.origin && { path: this.path, origin: this.origin };
  }

  /** Becomes a view: `path` over `origin`, which stands for what the storage holds. */
  look(storage: Storage, path: Node, origin: Node): void {
    this.storage = storage;
    this.path = path;
    this.origin = origin;
    this.seen = undefined;
    this.shape = path.shape;
    this.dtype = path.dtype;
  }

  /** Looks at the memory of another tensor, as it does. */
  share(other: PyTensor): void {
    this.storage = other.storage;
    this.path = other.path;
    this.origin = other.origin;
    this.seen = undefined;
    this.current = other.current;
    this.shape = other.shape;
    this.dtype = other.dtype;
  }

  /** Takes a value of its own, of any shape and dtype: nothing else changes with it. */
  become(node: Node): void {
    this.look(new Storage(node), node, node);
  }

  /**
   * Writes a value of the tensor's own shape and dtype to its memory. False where the tensor has one element of the
   * memory at several places.
   */
  write(node: Node): boolean {
    const { storage, path, origin } = this;
    if (!storage.node || !path || !origin || path === origin) {
      if (!path || !origin) this.path = this.origin = node;
      storage.node = node;
    } else {
      const whole = writtenThrough(path, origin, storage.node, node);
      if (!whole) return false;
      storage.node = whole;
    }
    storage.unknown = undefined;
    this.current = node;
    this.seen = storage.node;
    return true;
  }
}
export interface StoredTensor {
  readonly buffer: boolean;
  initializer: Initializer;
  /** Order of creation: random initial values are drawn in this order, as PyTorch draws them. */
  readonly order: number;
  path?: string;
  /** Changes the drawn values: Embedding sets its padding row to zero. */
  patch?: (values: Float32Array | Float64Array) => void;
  /** Computes the initial value from the numbers of the draw, which it may share with another tensor. */
  derive?: (values: Float32Array | Float64Array) => Float32Array;
  /** In a trace: what stands for it in the graph. */
  node?: Node;
  /** In a trace: the memory of a parameter, which nothing may change, or of a buffer. */
  storage?: Storage;
  /** Of a tensor that `from_pretrained` loads: from where, and its paths in the module as it was loaded. */
  loaded?: { readonly from: Checkpoint; readonly names: readonly string[] };
}

/** A Python exception of the evaluated code; `type` is the name of its class. `except` clauses catch it. */
export class PyError extends Error {
  /** Code raised it with `raise` or `assert`; other exceptions come from operations. */
  deliberate = false;
  /** Its text would show a value that is unknown. */
  ofUnknown = false;
  /** It came from code of an installed package. */
  fromPackage = false;
  constructor(
    readonly type: string,
    message: string,
    readonly place?: SourcePlace,
    readonly value?: PyObject,
    /** Of a missing attribute or key: what lacks it. */
    readonly lacking?: Value,
  ) {
    super(message);
  }
}
