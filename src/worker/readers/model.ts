import type { ConfigurationChoice } from "../../protocol/jobs";
import type { ConfigurationFile, MadeElsewhere } from "../../protocol/model";
import type { DType } from "../formats/dtype";
import type { Tensor } from "../formats/tensor";
import type { Graph } from "../graph/graph";
import type { SourcePlace } from "../graph/node";
import type { GivenInputs } from "./givenInputs";
import type { InputSpec } from "./inputSpec";
import type { KeyConversions } from "./keyConversion";
import type { ReaderMemory } from "./memory";

/** A problem found while reading: shown as a diagnostic at its place; the rest of the file still works. */
export interface Problem {
  readonly place: SourcePlace;
  readonly message: string;
  readonly severity: "error" | "warning" | "information";
  /** The problem's code, for problems that people look up: `lora-missing-scale`. */
  readonly code?: string;
  /** Other places that explain it. */
  readonly related?: readonly { readonly place: SourcePlace; readonly message: string }[];
}

/** A dimension that could not be evaluated is `undefined`: unknown, never a guess. */
export type Dim = number | undefined;

/**
 * A parameter's initialization when there is no weights file. Distributions are PyTorch's own defaults for its layer.
 */
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
  /** A parameter whose `requires_grad` is off. */
  readonly frozen?: boolean;
  readonly initializer: Initializer;
  /** The path whose tensor this one shares, when the model ties two. */
  readonly tiedTo?: string;
}

export interface LayerWeight {
  readonly path: string;
  readonly fanInFanOut: boolean;
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
  /**
   * The matrix that an adapter goes on, for layers that are linear and not torch's own Linear: its state-dict path, and
   * whether it is stored [in, out] (`fan_in_fan_out` in PEFT) rather than [out, in].
   */
  readonly weight?: LayerWeight;
  /** It is a linear layer, and traces mark its calls (graph/layers.ts): its adapter goes there, and nowhere else. */
  readonly marked?: true;
  /** A linear layer that is never called because its owner reads its weight: MultiheadAttention's out_proj. */
  readonly neverCalled?: true;
  /** In evaluation PyTorch computes it with the rest of its TransformerEncoderLayer from the weights, without a call. */
  readonly fusedInEvaluation?: true;
  /** For a class of the file: the torch.nn class that it derives from, other than Module. */
  readonly base?: string;
  /** For a linear layer: the other paths that it is registered under. Modules are listed under their first path. */
  readonly aliases?: readonly string[];
  /** Where `requires_grad = False` was assigned to the module itself, which freezes nothing. */
  readonly freezesNothingAt?: SourcePlace;
  /** Own and descendants' parameters, tied ones counted once; undefined when a dimension is unknown. */
  readonly parameters: number | undefined;
  /** The number of trainable parameters, if the model's code freezes some. */
  readonly trainable?: number;
  /** A getter if the module is a copy of another; a spread of the object then loses it. */
  readonly children: readonly ModuleInfo[];
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
  /** Overrides the example inputs that were chosen or found in the file. */
  readonly inputs?: readonly InputSpec[];
  /** Replaces the first dimension of the example inputs. */
  readonly batch?: number;
  /** Modules in training mode: dropout is active. */
  readonly training?: boolean;
}

/** The shape of a value that code run by `forward` assigns to a name. */
export interface ShapeHint {
  /** The name on the left of the assignment. */
  readonly place: SourcePlace;
  readonly name: string;
  /** "B", "2·T", "512"; "…" where the shape differs between runs of the line. */
  readonly dims: readonly string[];
  readonly dtype: DType;
  /** For the example inputs: the different shapes of the line's runs, in their order. */
  readonly shapes: readonly (readonly number[])[];
  readonly runs: number;
}

/** What a dimension's name stands for: `B` is dimension 0 of `x`, 2 in the example. */
export interface DimensionName {
  readonly name: string;
  readonly input: string;
  readonly axis: number;
  readonly size: number;
}

/** What tracing one model with example inputs shows about the code. */
export interface ObservedShapes {
  readonly className: string;
  readonly hints: readonly ShapeHint[];
  readonly names: readonly DimensionName[];
  readonly inputs: readonly InputSpec[];
  readonly inputsFrom: string;
  /** Functions that ran, by qualified name. */
  readonly functions: readonly string[];
  /** Why the trace ended early. */
  readonly problem?: Problem;
  /** The graph, when the trace came to its end. */
  readonly graph?: Graph;
}

/** Where the values of a constructor's `config` come from. */
export interface Configuration {
  /** A config.json, an instance made in the file, or the configuration class's own defaults. */
  readonly source: ConfigurationSource;
  /** In words: "config.json", "GPT_CONFIG_124M", "BertConfig's defaults". */
  readonly label: string;
  /** For a config.json: its path. */
  readonly file?: string;
}

export type ConfigurationSource = "json" | "instance" | "defaults";

/** A configuration that a model class can take. */
export interface ConfigurationOption {
  readonly choice: ConfigurationChoice;
  /** In the words of `Configuration.label`. */
  readonly label: string;
  /** For an instance in the file: where it is made. */
  readonly place?: SourcePlace;
  /** Why a config.json next to the file cannot be used. */
  readonly problem?: string;
}

/** A module that the code loads: `AutoModel.from_pretrained("org/name")`. */
export interface Checkpoint {
  /** Its name in the code. */
  readonly name: string;
  /** Where its config.json lies, and perhaps its weights. */
  readonly folder: string;
}

export interface LoadedPart extends Checkpoint {
  /** The module's path in the model; "" when it is the model itself. */
  readonly path: string;
  /**
   * For each state-dict path, the parameter's names in the module as it was loaded: different ones if code has wrapped
   * it since, and several if it was tied. Parameters that the code has added or initialized again since are missing.
   */
  readonly keys: ReadonlyMap<string, readonly string[]>;
  /** How its library converts the keys of its checkpoints; undefined when they are the module's own. */
  conversions(): KeyConversions | undefined;
}

/** One model of a file, read without running it: of a class, or a module that the file makes under a name. */
export interface Model {
  /** The class, or the name: `model` of `model = nn.Sequential(...)`, `main.net` in a function. */
  readonly className: string;
  readonly file: string;
  /** The class statement, or the name where it is assigned. */
  readonly place: SourcePlace;
  /** `model_type` of the configuration that the model keeps as `config`, as transformers' models do: "llama". */
  readonly modelType?: string | undefined;
  /** Undefined when the model takes no configuration, or when another model of the file gives it. */
  readonly configuration?: Configuration;
  /** It takes a configuration, but the file has none. */
  readonly lacksConfiguration?: boolean;
  /** The call in another file that constructs it, when its own file does not. */
  readonly madeElsewhere?: MadeElsewhere | undefined;
  /** Configuration files that give its sizes. */
  readonly configurationFiles?: readonly ConfigurationFile[] | undefined;
  /** The configurations it can take, in the order in which they are looked for. None for a class that takes none. */
  configurations?(): readonly ConfigurationOption[];
  /**
   * For an instance: it differs from a new instance of its class. It was changed, or its weights come from a
   * checkpoint.
   */
  readonly standsAlone?: boolean;
  /** It was made while names in modules were patched. */
  readonly patched?: boolean;
  /** It is part of another model of the file, so none of its layers is an output head. */
  readonly part?: boolean;
  /** Undefined for a model that does not derive from transformers' PreTrainedModel. */
  readonly pretrained?: Pretrained;
  readonly root: ModuleInfo;
  /** The state dict, in PyTorch's order. */
  readonly stateDict: readonly ParameterInfo[];
  readonly problems: readonly Problem[];
  /** Evaluates `forward`. Throws a UserError that names the line and the reason when it cannot. */
  trace(options?: TraceOptions): Traced;
  /** Sets the example inputs for later traces. */
  useInputs(inputs: GivenInputs): void;
  /**
   * Evaluates `forward` on example inputs and says what shape each assignment gives, and where shapes do not fit.
   * Undefined for formats without code.
   */
  shapes?(): ObservedShapes;
  /** Undefined for formats without code. */
  readonly code?: LoraCode;
  /** PyTorch's initial values for the seed, by state-dict path, drawn in the order PyTorch draws them. */
  initialize(seed: number): Map<string, Tensor>;
  /** Modules that the code loads: the model itself, or parts of it. */
  readonly checkpoints?: readonly LoadedPart[];
  /** How the model's library converts the keys of its checkpoints. Throws a UserError when that cannot be read. */
  conversions?(): KeyConversions | undefined;
  /**
   * Weights in the format's own files: those of `file`, else those that belong to the model; undefined when it names
   * none. Formats whose models keep weights elsewhere have none.
   */
  readWeights?(file?: string): Promise<StoredWeights | undefined>;
}

export interface StoredWeights {
  /** By state-dict path, one for each entry. */
  readonly values: ReadonlyMap<string, Tensor>;
  /** The file they are from. */
  readonly from: string;
}

/** What PEFT asks a model that derives from transformers' PreTrainedModel. */
export interface Pretrained {
  /** Path of what get_output_embeddings() gives; undefined when that is None, or no module of the model. */
  readonly outputEmbeddings?: string;
  /** Why that is not known. */
  readonly unknown?: string;
}

/** Questions about a model's code for findings on handwritten LoRA. */
export interface LoraCode {
  /** Named numbers that the module at the path got as arguments, stores, or reads in forward. */
  numbersOf(path: string): readonly (readonly [name: string, value: number])[];
  /** The forward of the module at the path has no branches: a parameter that is unused here is never used. */
  isStraight(path: string): boolean;
  /** The class of the module at the path initializes parameters with a number of such a name. */
  drawsWith(path: string, name: RegExp): boolean;
  /** What the file, or project files that use the model, train: all of its parameters, or some. */
  trains(): "all" | "chosen";
}

/**
 * A model that nothing constructs, made with stand-ins for its sizes so that its code can be followed. It is used for
 * findings only, since its numbers are invented.
 */
export interface StandIn {
  readonly model: Model;
  /** Undefined where forward could not be followed. */
  readonly graph: Graph | undefined;
  /** Shape errors that occur for any sizes. */
  readonly misfit: Problem | undefined;
}

/** Everything found in one file. */
export interface ModelFile {
  readonly file: string;
  readonly models: readonly Model[];
  readonly problems: readonly Problem[];
  /** Of classes and functions that write LoRA by hand; made when it is asked for. */
  readonly standIns?: () => readonly StandIn[];
  /** Other files that were read, except installed packages; a change in one may change the result. */
  readonly dependencies?: readonly string[];
  /** Folders in which no call of a class was found; a new file may have one. */
  readonly searched?: SearchedFolder;
}

export interface SearchedFolder {
  /** Absolute path. */
  readonly folder: string;
  /** Including its subfolders. */
  readonly deep: boolean;
}

/** Limits of one reading, so that no file can block the reader. */
export interface ReadLimits {
  /** Evaluated expressions and statements. */
  readonly steps: number;
  /** Python calls on the stack. */
  readonly depth: number;
  /** Set to a non-zero value from another thread to abandon the reading. */
  readonly cancel?: Int32Array;
}

/** How a file is read. */
export interface ReadOptions extends ReadLimits {
  /** Folders of installed Python packages, in the order they are searched; the user's environment's. */
  readonly packages?: readonly string[];
  /** What gives model classes their configuration; without a choice the first source that there is, in this order. */
  readonly configuration?: ConfigurationChoice;
  /** What readings before this one have left, and what this one leaves to those after it. */
  readonly memory?: ReaderMemory;
  /** The file is open in an editor, so results are kept for the next keystroke's reading. */
  readonly open?: boolean;
  /** With `open`: nothing is reused from the previous reading. */
  readonly fresh?: boolean;
}

/** A format of model files. */
export interface Reader {
  /** Judged by the file name only; opening decides the rest. */
  match(file: string): boolean;
  /** Reads `text` as the content of `file`. Never throws for what the file says: problems are data. */
  open(file: string, text: string, options?: Partial<ReadOptions>): Promise<ModelFile>;
  /** The reader reads the file itself; `text` is empty. */
  readonly binary?: boolean;
}

/** The modules of the tree, parents before children, in registration order. */
export function* walkModules(module: ModuleInfo): Generator<ModuleInfo> {
  // A model with many experts calls it a hundred thousand times: nested generators would take far longer.
  const pending = [module];
  for (let next = pending.pop(); next; next = pending.pop()) {
    yield next;
    const { children } = next;
    for (let i = children.length - 1; i >= 0; i--) pending.push(children[i]!);
  }
}

/** Whether the model goes by another name than its class's. */
export function isNamed({ className, root }: Pick<Model, "className" | "root">): boolean {
  return className !== root.kind;
}
