import type { ConfigurationChoice } from "../../../../protocol/jobs";
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
import { ConfigTargets } from "../configs/targets";
import { templateOf } from "../evaluate/repeated/template";
import { argumentsByName, givenTo, moduleNameOf } from "../evaluate/run/classes";
import type { DefinedClass } from "../evaluate/scope";
import { Injections } from "../handwritten/injections";
import { loraCode } from "../handwritten/loraCode";
import { TrainingChoice } from "../handwritten/trainingChoice";
import type { Environment } from "../imports/environment";
import { type InitialTensor, initialize } from "../libraries/torch";
import { conversionsOf } from "../libraries/transformers/conversions";
import { pretrainedOf } from "../libraries/transformers/outputEmbeddings";
import type { ClassStmt, Module } from "../syntax/ast";
import { type ForwardParam, forwardParams } from "../trace/inputs";
import { observe } from "../trace/observedShapes";
import { givenByWholes } from "../trace/partInputs";
import { type PythonTraced, trace } from "../trace/trace";
import { CallSites } from "../usage/callSites";
import { Constructions } from "../usage/constructions";
import { constructorParameters, requiredParameters } from "../usage/constructors";
import { Elsewhere } from "../usage/elsewhere";
import { Factories } from "../usage/factories";
import type { NamedModule, NamedModules } from "../usage/namedModules";
import { reportUnfound } from "../usage/unfoundModels";
import { dictGet } from "../values/equality";
import type { Evaluator } from "../values/evaluator";
import { findMember } from "../values/members";
import { type PyClass, PyDict, PyNative, type PyObject, type PyTensor, type Value } from "../values/values";
import { standsAlone } from "./asMade";
import { Configurations, type Configured } from "./configuration";
import { type Arguments, type Built, build, buildPartly, buildWithUnknowns, NO_ARGUMENTS } from "./modelInstance";
import { isOfProject, modelClasses, partsOf, typesWithin } from "./parts";
import { differentModulesOf, moduleTree, stateDictOf, storedTensors, tooManyModules, tooManyToTrace } from "./tree";

/** Finds the models of a file: one instance of each model class, and the modules that it makes under other names. */

export interface BuildOptions {
  /** Steps that making one model may take. */
  readonly steps: number;
  readonly choice: ConfigurationChoice | undefined;
  /** The classes to build; all when left out. */
  readonly isWanted: ((definition: ClassStmt) => boolean) | undefined;
  readonly environment: Environment;
}

export interface FoundModels {
  readonly models: Model[];
  readonly sites: CallSites;
  readonly training: TrainingChoice;
}

export function buildModels(
  ev: Evaluator,
  module: Module,
  named: NamedModules,
  { steps, choice, isWanted = () => true, environment }: BuildOptions,
): FoundModels {
  const body = environment.written?.main ?? module.body;
  const sites = new CallSites(ev, body);
  const training = new TrainingChoice(ev, body, environment);
  const loaded = environment.written?.loaded() ?? [];
  const written = loaded.map((each) => new CallSites(ev, each.body, each.scope));
  const inWritten = loaded.map(({ body: own, scope }, i) => new Constructions(ev, written[i]!, own, scope));
  for (const each of [sites, ...written]) each.defineGuardNames();
  const calledAtTop = new Map(ev.constructed);
  const configurations = new Configurations(ev, sites, choice);
  const classes = modelClasses(ev, module);
  const factories = new Factories(ev, body, steps);
  const injections = new Injections(ev, module.body, steps);
  const elsewhere = new Elsewhere(ev, environment, steps, configurations, module.body, sites, factories, injections);
  const targets = new ConfigTargets(ev, environment);
  const pending = new Set(classes.filter(({ node }) => isWanted(node)));
  const built = new Map<DefinedClass, Built>();
  /** While other files are searched, what they construct is found with its place there. */
  let searching = true;
  /** Classes that their defaults do not suit. */
  const refused = new Set<DefinedClass>();
  const attempt = (defined: DefinedClass, candidates: Iterable<Arguments>): void => {
    let first: Built | undefined;
    let assumed = false;
    for (const candidate of candidates) {
      const { configured } = candidate;
      const before = configured && new Map(ev.constructed);
      const result = build(ev, defined, candidate, steps);
      if (before && result.lacking && configurations.reject(defined, configured)) {
        // What was made of it says nothing of other classes either.
        ev.constructed.clear();
        for (const [type, given] of before) ev.constructed.set(type, given);
        continue;
      }
      if (!first) assumed = candidate.assumed ?? false;
      first ??= result;
      if (result.failed) continue;
      // What somebody chose is not left without a word.
      const chosen = choice?.source === "json" && first !== result && first.configuration?.source === "json";
      if (chosen) result.problems.unshift(...first.problems);
      first = result;
      break;
    }
    if (!first) return;
    if (first.failed && assumed) refused.add(defined);
    built.set(defined, first);
    pending.delete(defined);
  };
  for (const { type } of classes) ev.watched.add(type);
  const parts = partsOf(classes);
  const isWhole = (defined: DefinedClass) => configurations.isModel(defined) || !parts.has(defined.type.name);
  /** In the order of their claim; what comes later is not worked out unless it is needed. */
  function* candidates(defined: DefinedClass): Generator<Arguments> {
    const whole = isWhole(defined);
    if (whole) yield* untilRight(defined, () => configurations.fromJson(defined));
    const chosen = whole || choice?.source === "defaults" ? configurations.fromChoice(defined) : undefined;
    if (chosen) yield chosen;
    // What the file itself makes comes before the constructor's defaults, and those before what another model holds.
    const called = calledAtTop.get(defined.type);
    if (called) {
      const files = ev.provenance.constructed.get(defined.type);
      yield { ...called.before, files, configuration: configurations.ofCall(defined, called, undefined) };
    }
    for (const made of sites.constructions(defined.type)) {
      const { line } = ev.main.place(made.call);
      yield { ...made, configuration: configurations.ofCall(defined, made, line) };
    }
    for (const each of inWritten) {
      const made = each.of(defined.type, new Set([defined.type.name])).whole;
      if (made) yield { ...made, configuration: configurations.ofCall(defined, made, undefined) };
    }
    if (!called && !ev.constructed.has(defined.type)) yield* ofProject(defined);
    if (whole && configurations.isModel(defined)) yield* configured(defined);
    if (requiredParameters(defined).length === 0) yield NO_ARGUMENTS;
    if (whole) yield* configured(defined);
    const inside = called ? undefined : ev.constructed.get(defined.type);
    if (inside && (inside.inMain || !searching)) yield { ...inside.before, assumed: true };
  }
  /** What a configuration of the project names by `_target_`, or gives where another file makes the class. */
  function* ofProject({ type }: DefinedClass): Generator<Arguments> {
    if (constructorParameters({ type }).length === 0) return;
    const target = targets.construction(type);
    if (target) yield target;
    const made = elsewhere.fromConfigurations(type);
    if (made) yield { ...made.given, at: made.at, files: made.files };
  }
  function* configured(defined: DefinedClass): Generator<Arguments> {
    yield* untilRight(defined, () => configurations.fromInstance(defined));
    yield* untilRight(defined, () => configurations.fromDefaults(defined), true);
  }
  /** A configuration that turns out to be another class's makes room for the next. */
  function* untilRight(
    { type }: DefinedClass,
    next: () => Configured | undefined,
    assumed = false,
  ): Generator<Arguments> {
    for (let before = -1; ; ) {
      const rejected = configurations.rejectedFor(type).length;
      const given = rejected === before ? undefined : next();
      if (!given) return;
      before = rejected;
      yield { ...given, assumed, configured: given };
    }
  }
  function* ofConfigurations(defined: DefinedClass): Generator<Arguments> {
    yield* untilRight(defined, () => configurations.fromJson(defined));
    if (!configurations.fromJson(defined)) yield* configured(defined);
  }
  // A class that takes arguments is built as the file builds it: at its top level, in a function, or inside another
  // model. The last is known only once that other model has been built, hence the rounds.
  const rounds = (): void => {
    for (let before = -1; before !== pending.size; ) {
      before = pending.size;
      for (const defined of [...pending]) attempt(defined, candidates(defined));
    }
  };
  rounds();
  for (const defined of [...pending]) {
    const made = pending.has(defined) ? factories.construct(defined.type) : undefined;
    if (!made) continue;
    attempt(defined, [{ ...made, configuration: configurations.ofCall(defined, made, undefined) }]);
    rounds();
  }
  // Parts of nothing that could be built: what holds others mostly comes after them.
  for (const defined of [...pending].reverse()) {
    if (!pending.has(defined)) continue;
    const before = pending.size;
    attempt(defined, ofConfigurations(defined));
    if (pending.size < before) rounds();
  }
  const partly = new Set<DefinedClass>();
  // What nothing here constructs, another file of the project may, and those first that hold others. A call that tells
  // all comes before one that leaves some open, wherever they stand.
  for (const isWhole of [true, false]) {
    searching = isWhole;
    rounds();
    for (const defined of [...refused, ...pending].reverse()) {
      const isOpen = pending.has(defined) || refused.has(defined);
      const made = isOpen ? elsewhere.construction(defined.type, isWhole) : undefined;
      if (!made) continue;
      const result =
        made.known === undefined
          ? build(ev, defined, { ...made.given, files: made.files }, steps)
          : buildPartly(ev, defined, made, configurations.partly(defined), steps);
      if (result.failed) continue;
      built.set(defined, { ...result, ...(made.at && { madeElsewhere: made.at }) });
      if (made.known !== undefined) partly.add(defined);
      pending.delete(defined);
      refused.delete(defined);
      rounds();
    }
  }
  const unresolved = new Set([...pending, ...partly]);
  if (unresolved.size + refused.size > 0) environment.searchedInVain(ev.main.file);
  for (const defined of pending) {
    const known = { given: configurations.partly(defined), others: configurations.rejectedFor(defined.type) };
    built.set(defined, buildWithUnknowns(ev, defined, known, steps, environment.searched));
  }
  for (const [{ type }, { object }] of built) {
    const precision = sites.precision(type);
    if (precision === undefined) continue;
    ev.collect(() => {
      ev.call(ev.getAttribute(object, precision), []);
    });
  }
  configurations.checkChoice(classes);
  for (const each of [sites, ...written]) reportUnfound(ev, each);
  const own = new Set(classes.map(({ type }) => type));
  const made = [sites, ...written].flatMap((each) => {
    const isOwn = (type: PyClass) => own.has(type) && type.definedIn === moduleNameOf(each.globals);
    return each.modules(isOwn).map((module) => ({ ...module, scope: each.globals }));
  });
  const top = named.models(made).map((each) => namedModel(ev, each));
  const sitesOf = ({ scope }: NamedModule) => written.find(({ globals }) => globals === scope) ?? sites;
  for (const each of top) {
    sitesOf(each).bind(each);
    sites.stated.assigned(each.object, each.place);
  }
  const stated = [...classes, ...top.map(({ object, place }) => ({ type: object.type, place }))];
  for (const place of sites.stated.unused(stated)) {
    ev.problem("this comment states an input, but stands at no model", "information", place);
  }
  const others = top.filter(({ object }) => !own.has(object.type));
  const within = new Map(
    [...built.values(), ...others].map(({ object }) => [object, new Set(typesWithin(object))] as const),
  );
  const inside = new Set([...within.values()].flatMap((types) => [...types]));
  /** Models that hold the class, those first that are part of no other, and of these the last. */
  const wholes = (type: PyClass): PyObject[] =>
    [...within]
      .filter(([object, types]) => object.type !== type && types.has(type))
      .map(([object]) => object)
      .reverse()
      .sort((a, b) => Number(inside.has(a.type)) - Number(inside.has(b.type)));
  const ofClasses = [...built].map(([defined, result]) => {
    const { type, node } = defined;
    const part = inside.has(type);
    return new PythonModel(ev, { name: type.name, place: type.place ?? ev.source.place(node) }, result, sites, {
      imported: false,
      part,
      lacksConfiguration: (unresolved.has(defined) || !!result.madeElsewhere) && configurations.isTaken(defined),
      options: () => configurations.options(defined),
      wholes: () => (part ? wholes(type) : []),
      trains: () => training.of(type.name) ?? "all",
    });
  });
  const ofNames = top.map((each) => {
    const trains = () => training.of(each.object.type.name) ?? "all";
    const imported = each.object.type.definedIn !== moduleNameOf(each.scope ?? ev.globals);
    return new PythonModel(ev, each, each, sitesOf(each), { ...UNRELATED, imported, trains });
  });
  // A loss or a transformation of the data holds nothing.
  const models = [...ofClasses, ...ofNames.filter(({ root }) => root.parameters !== 0)];
  return { models, sites, training };
}

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

function namedModel(ev: Evaluator, named: NamedModule): NamedModule & Built {
  const { object, place, name } = named;
  const problems = ev.collect(() => {
    const tooMany = tooManyModules(object);
    if (tooMany === undefined) return;
    object.module?.modules.clear();
    ev.problem(`the modules of ${name} are not listed: ${tooMany}`, "error", place);
  });
  const given = givenTo(object) ?? NO_ARGUMENTS;
  return { ...named, problems, failed: false, configuration: undefined, given };
}

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
