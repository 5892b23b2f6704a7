import type { DType } from "../formats/dtype";
import type { Tensor } from "../formats/tensor";
import type { Graph } from "../graph/graph";
import type { SourcePlace } from "../graph/node";

/** A problem found while reading: shown as a diagnostic at its place; the rest of the file still works. */
export interface Problem {
  readonly place: SourcePlace;
  readonly message: string;
  readonly severity: "error" | "warning" | "information";
}

/** A dimension that could not be evaluated is `undefined`: unknown, never a guess. */
export type Dim = number | undefined;

/** How a parameter starts out when there is no weights file. Distributions are PyTorch's own defaults for its layer. */
export type Initializer =
  | { readonly kind: "uniform"; readonly low: number; readonly high: number }
  | { readonly kind: "normal"; readonly mean: number; readonly std: number }
  | { readonly kind: "constant"; readonly value: number }
  /** A value the model computes itself; a graph without inputs and one output, "value". */
  | { readonly kind: "graph"; readonly graph: Graph };

/** One entry of the state dict. */
export interface ParameterInfo {
  /** State-dict key: `encoder.layers.0.fc1.weight`. */
  readonly path: string;
  readonly shape: readonly Dim[];
  readonly dtype: DType;
  /** A buffer is stored but never trained. */
  readonly buffer: boolean;
  readonly initializer: Initializer;
  /** The path whose tensor this one shares, when the model ties two. */
  readonly tiedTo?: string;
}

/** A module of the tree, in registration order, with its path as PyTorch names it ("" for the root). */
export interface ModuleInfo {
  readonly path: string;
  /** Class name: `Linear`, `LayerNorm`, or the user's own. */
  readonly kind: string;
  /** Where it is constructed. Layers made in a loop share one place. */
  readonly place: SourcePlace;
  /** It came from torch.nn; other kinds are classes of the file. */
  readonly builtin: boolean;
  /** Linear and its like; undefined where the kind has none or the value is unknown. */
  readonly inFeatures?: number;
  readonly outFeatures?: number;
  readonly bias?: boolean;
  /** Own and descendants' parameters, tied ones counted once; undefined when a dimension is unknown. */
  readonly parameters: number | undefined;
  readonly children: readonly ModuleInfo[];
}

/** What the example inputs of a trace are and where they came from. */
export interface InputSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** For integer inputs: values are in [0, below), the size of the table they index. */
  readonly below?: number;
}

export interface Traced {
  /** Inputs by `forward`'s parameter names; outputs `output`, or `output_0`, `output_1`, ... for a tuple. */
  readonly graph: Graph;
  readonly inputs: readonly InputSpec[];
  /** In words: "given", "the call at line 40", "inferred from fc1". */
  readonly inputsFrom: string;
  readonly problems: readonly Problem[];
}

export interface TraceOptions {
  /** Overrides the example inputs found in the file. */
  readonly inputs?: readonly InputSpec[];
  /** Replaces the first dimension of the example inputs. */
  readonly batch?: number;
  /** Modules in training mode: dropout is active. */
  readonly training?: boolean;
}

/** One model class of a file, read without running it. */
export interface Model {
  readonly className: string;
  readonly file: string;
  /** The class statement. */
  readonly place: SourcePlace;
  readonly root: ModuleInfo;
  /** The state dict, in PyTorch's order. */
  readonly stateDict: readonly ParameterInfo[];
  readonly problems: readonly Problem[];
  /** Evaluates `forward`. Throws a UserError that names the line and the reason when it cannot. */
  trace(options?: TraceOptions): Traced;
  /** PyTorch's initial values for the seed, by state-dict path, drawn in the order PyTorch draws them. */
  initialize(seed: number): Map<string, Tensor>;
}

/** Everything found in one file. */
export interface ModelFile {
  readonly file: string;
  readonly models: readonly Model[];
  readonly problems: readonly Problem[];
}

/** Limits of one reading, so that no file can hold the reader up. */
export interface ReadLimits {
  /** Evaluated expressions and statements. */
  readonly steps: number;
  /** Python calls on the stack. */
  readonly depth: number;
  /** Set to a non-zero value from another thread to abandon the reading. */
  readonly cancel?: Int32Array;
}

/** A format of model files. */
export interface Reader {
  /** Judged by the name alone; opening decides the rest. */
  match(file: string): boolean;
  /** Reads `text` as the content of `file`. Never throws for what the file says: problems are data. */
  open(file: string, text: string, limits?: Partial<ReadLimits>): Promise<ModelFile>;
}

/** The modules of the tree, parents before children, in registration order. */
export function* walkModules(module: ModuleInfo): Generator<ModuleInfo> {
  yield module;
  for (const child of module.children) yield* walkModules(child);
}
