import type { ConfigurationFile, MadeElsewhere } from "../../../../protocol/model";
import { UserError } from "../../../formats/errors";
import type { Tensor } from "../../../formats/tensor";
import type { SourcePlace } from "../../../graph/node";
import type { GivenInputs } from "../../givenInputs";
import type { KeyConversions } from "../../keyConversion";
import type {
  Configuration,
  ConfigurationOption,
  LoadedPart,
  LoraCode,
  Model,
  ModuleInfo,
  ObservedShapes,
  ParameterInfo,
  Pretrained,
  Problem,
  TraceOptions,
} from "../../model";
import { templateOf } from "../evaluate/repeated/template";
import { argumentsByName } from "../evaluate/run/classes";
import { loraCode } from "../handwritten/loraCode";
import { type InitialTensor, initialize } from "../libraries/torch";
import { conversionsOf } from "../libraries/transformers/conversions";
import { pretrainedOf } from "../libraries/transformers/outputEmbeddings";
import { type ForwardParam, forwardParams } from "../trace/inputs";
import { observe } from "../trace/observedShapes";
import { givenByWholes } from "../trace/partInputs";
import { type PythonTraced, trace } from "../trace/trace";
import type { CallSites } from "../usage/callSites";
import { dictGet } from "../values/equality";
import type { Evaluator } from "../values/evaluator";
import { findMember } from "../values/members";
import { PyDict, PyNative, type PyObject, type PyTensor, type Value } from "../values/values";
import { standsAlone } from "./asMade";
import type { Built } from "./modelInstance";
import { isOfProject } from "./parts";
import { differentModulesOf, moduleTree, stateDictOf, storedTensors, tooManyToTrace } from "./tree";

/** A model of a Python file, as everything above the reader sees it. */

/** How a model stands to the others of its file. */
export interface Relations {
  /** Its class is another module's. */
  readonly imported: boolean;
  /** Another is made of it. */
  readonly part: boolean;
  readonly lacksConfiguration: boolean;
  readonly options: () => readonly ConfigurationOption[];
  readonly wholes: () => readonly PyObject[];
  /** Whether code chooses which of its parameters train. */
  readonly trains: LoraCode["trains"];
}

export const UNRELATED = { part: false, lacksConfiguration: false, options: () => [], wholes: () => [] };

export class PythonModel implements Model {
  readonly className: string;
  readonly file: string;
  readonly place: SourcePlace;
  readonly root: ModuleInfo;
  private entries: readonly ParameterInfo[] | undefined;
  private asked: { readonly pretrained: Pretrained | undefined } | undefined;
  private example: PythonTraced | undefined;
  readonly problems: readonly Problem[];
  readonly configuration: Configuration | undefined;

  constructor(
    private readonly ev: Evaluator,
    { name, place }: { readonly name: string; readonly place: SourcePlace },
    private readonly built: Built,
    private readonly sites: CallSites,
    private readonly relations: Relations,
  ) {
    this.className = name;
    this.file = ev.main.file;
    this.place = place;
    const root = moduleTree(ev, built.object, this.place);
    this.root = built.partial ? { ...root, parameters: undefined } : root;
    this.problems = built.problems;
    this.configuration = built.configuration;
  }

  get patched(): boolean {
    return this.built.patches?.code === true;
  }

  get standsAlone(): boolean {
    return this.relations.imported || standsAlone(this.built.object);
  }

  get part(): boolean {
    return this.relations.part;
  }

  get modelType(): string | undefined {
    const config = this.ev.tryAttribute(this.built.object, "config");
    const type =
      config instanceof PyDict ? dictGet(config, "model_type") : config && this.ev.tryAttribute(config, "model_type");
    return typeof type === "string" ? type : undefined;
  }

  get madeElsewhere(): MadeElsewhere | undefined {
    return this.built.madeElsewhere;
  }

  get configurationFiles(): readonly ConfigurationFile[] | undefined {
    return this.built.configurationFiles;
  }

  get lacksConfiguration(): boolean {
    return this.relations.lacksConfiguration;
  }

  configurations(): readonly ConfigurationOption[] {
    return this.relations.options();
  }

  /** Made when it is asked for: lenses need none. */
  get stateDict(): readonly ParameterInfo[] {
    this.entries ??= stateDictOf(this.built.object);
    return this.entries;
  }

  get checkpoints(): readonly LoadedPart[] {
    const { object } = this.built;
    return [...differentModulesOf(object)].flatMap(([prefix, part]): LoadedPart[] => {
      if (templateOf(part) || !part.module?.checkpoint) return [];
      const { checkpoint } = part.module;
      const { name, folder } = checkpoint;
      const keys = [...storedTensors(part, prefix)].flatMap(([path, { stored }]): [string, readonly string[]][] => {
        const loaded = stored?.loaded;
        return loaded?.from === checkpoint ? [[path, loaded.names]] : [];
      });
      return [{ path: prefix, name, folder, keys: new Map(keys), conversions: () => conversionsOf(this.ev, part) }];
    });
  }

  conversions(): KeyConversions | undefined {
    return conversionsOf(this.ev, this.built.object);
  }

  /** What its constructor was given, by parameter, defaults included. */
  get arguments(): ReadonlyMap<string, Value> {
    const { object, given } = this.built;
    // A class without a constructor of its own is called as torch's own is.
    const inherited = object.module && findMember(object.type, "__init__") instanceof PyNative;
    return inherited ? new Map(Object.entries(object.module!.options)) : argumentsByName(object.type, given);
  }

  get code(): LoraCode {
    return loraCode(this.ev, this.built.object, this.relations.trains);
  }

  get forwardParameters(): readonly ForwardParam[] {
    return forwardParams(this.built.object);
  }

  get pretrained(): Pretrained | undefined {
    this.asked ??= { pretrained: pretrainedOf(this.ev, this.built.object) };
    return this.asked.pretrained;
  }

  /** The trace with the example inputs of the file is made once: a graph never changes. */
  trace(options: TraceOptions = {}): PythonTraced {
    if (Object.values(options).some((option) => option !== undefined)) return this.traced(options);
    this.example ??= this.traced({});
    return this.example;
  }

  private traced(options: TraceOptions): PythonTraced {
    const { ev, built, sites } = this;
    const tooMany = this.whyNotTraced();
    if (tooMany !== undefined) throw new UserError(tooMany, { file: this.file, line: this.place.line });
    return ev.patches.during(built.patches, () => {
      const wholes = this.relations.wholes().filter((whole) => tooManyToTrace(whole) === undefined);
      const within = givenByWholes(ev, built.object, wholes, sites, options);
      return trace(ev, built.object, sites, options, within);
    });
  }

  private whyNotTraced(): string | undefined {
    const tooMany = tooManyToTrace(this.built.object);
    return tooMany && `${this.className}.forward is not traced: ${tooMany}`;
  }

  useInputs(inputs: GivenInputs): void {
    this.sites.stated.choose(this.built.object, inputs);
  }

  shapes(): ObservedShapes {
    const { ev, built, sites, className, place } = this;
    const none = { className, hints: [], names: [], inputs: [], inputsFrom: "", functions: [] };
    // Where all code is of libraries, no line of the project is there for a shape or an error.
    if (!isOfProject(built.object)) return none;
    const message = this.whyNotTraced();
    if (message !== undefined) return { ...none, problem: { place, message, severity: "information" } };
    return { ...ev.patches.during(built.patches, () => observe(ev, built.object, sites)), className };
  }

  initialize(seed: number): Map<string, Tensor> {
    const seen = new Set<PyTensor>();
    const tensors: InitialTensor[] = [];
    for (const [path, tensor] of storedTensors(this.built.object)) {
      const { stored, shape, dtype } = tensor;
      if (!stored || seen.has(tensor)) continue;
      seen.add(tensor);
      if (shape.some((d) => d === undefined)) {
        throw new UserError(`${this.className} cannot be initialized: the shape of ${path} is unknown`, {
          file: this.file,
          line: this.place.line,
        });
      }
      tensors.push({ path, stored, shape: shape as readonly number[], dtype });
    }
    return initialize(tensors, this.built.draws, seed);
  }
}
