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
  /** Names the kind of problem, for those that people look up: `lora-missing-scale`. */
  readonly code?: string;
  /** Other places that explain it. */
  readonly related?: readonly { readonly place: SourcePlace; readonly message: string }[];
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
  /** A linear layer whose owner reads its weight and never calls it: MultiheadAttention's out_proj. */
  readonly neverCalled?: true;
  /** In evaluation PyTorch computes it with the rest of its TransformerEncoderLayer from the weights, without a call. */
  readonly fusedInEvaluation?: true;
  /** Of a class of the file: the class of torch.nn that it derives from, where that is more than Module. */
  readonly base?: string;
  /** Of a linear layer: the other paths that it is registered under. Modules are listed by their first. */
  readonly aliases?: readonly string[];
  /**
   * Where `requires_grad = False` was assigned to the module itself, which has none: an attribute that freezes nothing.
   */
  readonly freezesNothingAt?: SourcePlace;
  /** Own and descendants' parameters, tied ones counted once; undefined when a dimension is unknown. */
  readonly parameters: number | undefined;
  /** Of a model whose code freezes some of them: how many are left to learn. */
  readonly trainable?: number;
  /** A getter where the module is made as others are: a spread of it has none. */
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

/** The shape of what a name is assigned in code that `forward` runs. */
export interface ShapeHint {
  /** The name on the left of the assignment. */
  readonly place: SourcePlace;
  readonly name: string;
  /** "B", "2·T", "512"; "…" where the line's runs differ. */
  readonly dims: readonly string[];
  readonly dtype: DType;
  /** For the example inputs: the different shapes of the line's runs, the first first. */
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

/** What tracing one model with example inputs shows of the code. */
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

/** Where the values of a constructor's `config` came from. */
export interface Configuration {
  /** A config.json, an instance made in the file, or the configuration class's own defaults. */
  readonly source: ConfigurationSource;
  /** In words: "config.json", "GPT_CONFIG_124M", "BertConfig's defaults". */
  readonly label: string;
  /** Of a config.json: its path. */
  readonly file?: string;
}

export type ConfigurationSource = "json" | "instance" | "defaults";

/** A configuration that a model class can take. */
export interface ConfigurationOption {
  readonly choice: ConfigurationChoice;
  /** In the words of `Configuration.label`. */
  readonly label: string;
  /** Of an instance in the file: where it is made. */
  readonly place?: SourcePlace;
  /** Why it cannot be used, for a config.json that lies beside the file all the same. */
  readonly problem?: string;
}

/** A module that the code loads: `AutoModel.from_pretrained("org/name")`. */
export interface Checkpoint {
  /** What the code calls it. */
  readonly name: string;
  /** Where its config.json lies, and perhaps its weights. */
  readonly folder: string;
}

export interface LoadedPart extends Checkpoint {
  /** The module's path in the model; "" when it is the model itself. */
  readonly path: string;
  /**
   * By state-dict path, what a parameter was called in the module as it was loaded: other than now when code has wrapped
   * it since, and several names when it was tied. What the code has added or drawn anew since is not among them.
   */
  readonly keys: ReadonlyMap<string, readonly string[]>;
  /** What its library does with the keys of its checkpoints; undefined when they are the module's own. */
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
  /** It takes a configuration, and the file itself has none. */
  readonly lacksConfiguration?: boolean;
  /** What it was constructed as, when nothing in its own file constructs it. */
  readonly madeElsewhere?: MadeElsewhere | undefined;
  /** Configuration files that its sizes are of. */
  readonly configurationFiles?: readonly ConfigurationFile[] | undefined;
  /** The configurations it can take, in the order in which they are looked for. None for a class that takes none. */
  configurations?(): readonly ConfigurationOption[];
  /** Of an instance: it is no copy of what its class makes. It was changed since, or its weights are from a checkpoint. */
  readonly standsAlone?: boolean;
  /** It was made while names of modules stood for something else. */
  readonly patched?: boolean;
  /** Another model of the file is made of it: none of its layers is an output head. */
  readonly part?: boolean;
  /** Undefined for a model that does not derive from transformers' PreTrainedModel. */
  readonly pretrained?: Pretrained;
  readonly root: ModuleInfo;
  /** The state dict, in PyTorch's order. */
  readonly stateDict: readonly ParameterInfo[];
  readonly problems: readonly Problem[];
  /** Evaluates `forward`. Throws a UserError that names the line and the reason when it cannot. */
  trace(options?: TraceOptions): Traced;
  /** From now on these are the example inputs that it is traced with. */
  useInputs(inputs: GivenInputs): void;
  /**
   * Evaluates `forward` on example inputs and says what shape each assignment gives, and where shapes do not fit.
   * Formats whose files hold no code have none.
   */
  shapes?(): ObservedShapes;
  /** Formats whose files hold no code have none. */
  readonly code?: LoraCode;
  /** PyTorch's initial values for the seed, by state-dict path, drawn in the order PyTorch draws them. */
  initialize(seed: number): Map<string, Tensor>;
  /** Modules that the code loads: the model itself, or parts of it. */
  readonly checkpoints?: readonly LoadedPart[];
  /** What the model's library does with the keys of its checkpoints. Throws a UserError when that cannot be read. */
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

/** What PEFT asks a model of transformers, one that derives from PreTrainedModel. */
export interface Pretrained {
  /** Path of what get_output_embeddings() gives; undefined when that is None, or no module of the model. */
  readonly outputEmbeddings?: string;
  /** Why that is not known. */
  readonly unknown?: string;
}

/** What findings on LoRA written by hand ask of a model's code. */
export interface LoraCode {
  /** Numbers that the module at the path was given or keeps, or that its forward finds around it, with their names. */
  numbersOf(path: string): readonly (readonly [name: string, value: number])[];
  /** The forward of the module at the path has no branches: what it does not use here it never does. */
  isStraight(path: string): boolean;
  /** The class of the module at the path draws first values with a number that has such a name. */
  drawsWith(path: string, name: RegExp): boolean;
  /** What the file, and those of its project that use the model, train: all of its parameters, or some. */
  trains(): "all" | "chosen";
}

/**
 * A model that nothing constructs, made with stand-ins for its sizes so that its code can be followed. It is for findings
 * alone: its numbers are nobody's.
 */
export interface StandIn {
  readonly model: Model;
  /** Undefined where forward could not be followed. */
  readonly graph: Graph | undefined;
  /** What does not fit whatever the sizes are. */
  readonly misfit: Problem | undefined;
}

/** Everything found in one file. */
export interface ModelFile {
  readonly file: string;
  readonly models: readonly Model[];
  readonly problems: readonly Problem[];
  /** Of classes and functions that write LoRA by hand; made when it is asked for. */
  readonly standIns?: () => readonly StandIn[];
  /** Other files that it was read from, but for installed packages: a change in one may change what was read. */
  readonly dependencies?: readonly string[];
  /** Where files were searched for what constructs a class, and none was found: a new one may. */
  readonly searched?: SearchedFolder;
}

export interface SearchedFolder {
  /** Absolute path. */
  readonly folder: string;
  /** With the folders below it. */
  readonly deep: boolean;
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

/** How a file is read. */
export interface ReadOptions extends ReadLimits {
  /** Folders of installed Python packages, in the order they are searched; the user's environment's. */
  readonly packages?: readonly string[];
  /** What gives model classes their configuration; without a choice the first source that there is, in this order. */
  readonly configuration?: ConfigurationChoice;
  /** What readings before this one have left, and what this one leaves to those after it. */
  readonly memory?: ReaderMemory;
  /** The file is open in an editor: what this reading finds out serves the one after the next keystroke. */
  readonly open?: boolean;
  /** With `open`: nothing is taken over from the reading before. */
  readonly fresh?: boolean;
}

/** A format of model files. */
export interface Reader {
  /** Judged by the name alone; opening decides the rest. */
  match(file: string): boolean;
  /** Reads `text` as the content of `file`. Never throws for what the file says: problems are data. */
  open(file: string, text: string, options?: Partial<ReadOptions>): Promise<ModelFile>;
  /** The reader reads the file itself; `text` is empty. */
  readonly binary?: boolean;
}

/** The modules of the tree, parents before children, in registration order. */
export function* walkModules(module: ModuleInfo): Generator<ModuleInfo> {
  // Of a model of many experts it is called a hundred thousand times: generators within generators would take far longer.
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
