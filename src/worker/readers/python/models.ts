import type { ConfigurationChoice } from "../../../protocol/jobs";
import type { MadeElsewhere } from "../../../protocol/model";
import { UserError } from "../../formats/errors";
import type { Tensor } from "../../formats/tensor";
import { lineText, type SourcePlace } from "../../graph/node";
import type { GivenInputs } from "../givenInputs";
import type { KeyConversions } from "../keyConversion";
import type {
  Configuration,
  ConfigurationOption,
  LoadedPart,
  Model,
  ModuleInfo,
  ObservedShapes,
  ParameterInfo,
  Pretrained,
  Problem,
  SearchedFolder,
  TraceOptions,
} from "../model";
import type { ClassStmt, Module, Stmt } from "./ast";
import { CallSites } from "./callSites";
import { argumentsByName, type Given, givenTo, initializeInstance } from "./classes";
import { Configurations } from "./configuration";
import { requiredParameters } from "./constructors";
import { Elsewhere } from "./elsewhere";
import { conversionsOf } from "./environment/conversions";
import type { Environment } from "./environment/environment";
import { pretrainedOf } from "./environment/outputEmbeddings";
import { dictGet } from "./equality";
import { isDeliberate, pythonMessage } from "./errors";
import type { Evaluator } from "./evaluator";
import { Factories } from "./factories";
import { type ForwardParam, forwardParams } from "./inputs";
import { findMember } from "./members";
import type { NamedModule, NamedModules } from "./namedModules";
import { givenByWholes } from "./partInputs";
import type { DefinedClass } from "./scope";
import { observe } from "./shapes";
import { deepCopy } from "./stdlib";
import { templateOf } from "./template";
import { type Draw, type InitialTensor, initialize, recordDraws } from "./torch";
import { type PythonTraced, trace } from "./trace";
import {
  differentModulesOf,
  isOfFile,
  moduleTree,
  reportUnknowns,
  stateDictOf,
  storedTensors,
  tooManyModules,
  tooManyToTrace,
  typesWithin,
} from "./tree";
import {
  type EvaluationError,
  type PyClass,
  PyDict,
  PyError,
  PyNative,
  PyObject,
  type PyTensor,
  Unknown,
  type Value,
} from "./values";
import { namesMentionedBy } from "./walk";

/** Finds the models of a file: one instance of each model class, and the modules that it makes under other names. */

interface Arguments {
  readonly args: readonly Value[];
  readonly kwargs: ReadonlyMap<string, Value>;
  readonly configuration?: Configuration;
  /** Nobody has written that the class takes these: they are defaults. */
  readonly assumed?: boolean;
}
const NO_ARGUMENTS: Arguments = { args: [], kwargs: new Map(), assumed: true };

interface Built {
  readonly object: PyObject;
  readonly draws: readonly Draw[];
  readonly problems: Problem[];
  /** `__init__` ended in an error; what it had registered is there. */
  readonly failed: boolean;
  readonly configuration: Configuration | undefined;
  readonly madeElsewhere?: MadeElsewhere;
  /** Parts of it could not be made, so that nobody can count its parameters. */
  readonly partial?: boolean;
  readonly given: Given;
}

export interface BuildOptions {
  /** Steps that making one model may take. */
  readonly steps: number;
  readonly choice: ConfigurationChoice | undefined;
  /** The classes to build; all when left out. */
  readonly isWanted: ((definition: ClassStmt) => boolean) | undefined;
  readonly environment: Environment;
}

export function buildModels(
  ev: Evaluator,
  module: Module,
  named: NamedModules,
  { steps, choice, isWanted = () => true, environment }: BuildOptions,
): Model[] {
  const sites = new CallSites(ev, module.body);
  sites.defineGuardNames();
  const calledAtTop = new Map(ev.constructed);
  const configurations = new Configurations(ev, sites, choice);
  const classes = modelClasses(ev, module);
  const pending = new Set(classes.filter(({ node }) => isWanted(node)));
  const built = new Map<DefinedClass, Built>();
  /** Classes that their defaults do not suit. */
  const refused = new Set<DefinedClass>();
  const attempt = (defined: DefinedClass, candidates: Iterable<Arguments>): void => {
    let first: Built | undefined;
    let assumed = false;
    for (const candidate of candidates) {
      const result = build(ev, defined, candidate, steps);
      if (!first) assumed = candidate.assumed ?? false;
      first ??= result;
      if (result.failed) continue;
      first = result;
      break;
    }
    if (!first) return;
    if (first.failed && assumed) refused.add(defined);
    built.set(defined, first);
    pending.delete(defined);
  };
  const parts = partsOf(classes);
  const isWhole = (defined: DefinedClass) => configurations.isModel(defined) || !parts.has(defined.type.name);
  /** In the order of their claim; what comes later is not worked out unless it is needed. */
  function* candidates(defined: DefinedClass): Generator<Arguments> {
    const whole = isWhole(defined);
    const json = whole ? configurations.fromJson(defined) : undefined;
    if (json) yield json;
    const chosen = whole || choice?.source === "defaults" ? configurations.fromChoice(defined) : undefined;
    if (chosen) yield chosen;
    // What the file itself makes comes before the constructor's defaults, and those before what another model holds.
    const called = calledAtTop.get(defined.type);
    if (called) yield { ...called.before, configuration: configurations.ofCall(defined, called, undefined) };
    for (const written of sites.constructions(defined.type)) {
      const { line } = ev.main.place(written.call);
      yield { ...written, configuration: configurations.ofCall(defined, written, line) };
    }
    if (whole && configurations.isModel(defined)) yield* configured(defined);
    if (requiredParameters(defined).length === 0) yield NO_ARGUMENTS;
    if (whole) yield* configured(defined);
    const inside = called ? undefined : ev.constructed.get(defined.type);
    if (inside) yield { ...inside.before, assumed: true };
  }
  function* configured(defined: DefinedClass): Generator<Arguments> {
    const instance = configurations.fromInstance(defined);
    if (instance) yield instance;
    const defaults = configurations.fromDefaults(defined);
    if (defaults) yield { ...defaults, assumed: true };
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
  const factories = new Factories(ev, module.body, steps);
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
    const json = configurations.fromJson(defined);
    attempt(defined, json ? [json] : configured(defined));
    if (pending.size < before) rounds();
  }
  const elsewhere = new Elsewhere(ev, environment, steps, configurations);
  // What nothing here constructs, another file of the project may, and those first that hold others.
  for (const defined of [...refused, ...pending].reverse()) {
    const isOpen = pending.has(defined) || refused.has(defined);
    const made = isOpen ? elsewhere.construction(defined.type) : undefined;
    const result = made && build(ev, defined, made.given, steps);
    if (!result || result.failed) continue;
    built.set(defined, { ...result, madeElsewhere: made.at });
    pending.delete(defined);
    refused.delete(defined);
    rounds();
  }
  const unresolved = new Set(pending);
  if (unresolved.size + refused.size > 0) environment.searchedInVain(ev.main.file);
  for (const defined of unresolved) {
    built.set(defined, buildWithUnknowns(ev, defined, configurations.partly(defined), steps, environment.searched));
  }
  for (const [{ type }, { object }] of built) {
    const precision = sites.precision(type);
    if (precision === undefined) continue;
    ev.collect(() => {
      ev.call(ev.getAttribute(object, precision), []);
    });
  }
  configurations.checkChoice();
  const own = new Set(classes.map(({ type }) => type));
  const top = named.models(sites.modules((type) => own.has(type))).map((each) => namedModel(ev, each));
  for (const each of top) {
    sites.bind(each);
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
      part,
      lacksConfiguration: (unresolved.has(defined) || !!result.madeElsewhere) && configurations.isTaken(defined),
      options: () => configurations.options(defined),
      wholes: () => (part ? wholes(type) : []),
    });
  });
  const relations: Relations = { part: false, lacksConfiguration: false, options: () => [], wholes: () => [] };
  const ofNames = top.map((each) => new PythonModel(ev, each, each, sites, relations));
  // A loss or a transformation of the data holds nothing.
  return [...ofClasses, ...ofNames.filter(({ root }) => root.parameters !== 0)];
}

/** How a model stands to the others of its file. */
interface Relations {
  /** Another is made of it. */
  readonly part: boolean;
  readonly lacksConfiguration: boolean;
  readonly options: () => readonly ConfigurationOption[];
  readonly wholes: () => readonly PyObject[];
}

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

/** Names of the model classes that other model classes of the file mention. */
function partsOf(classes: readonly DefinedClass[]): Set<string> {
  const parts = new Set<string>();
  for (const { node, type } of classes) {
    for (const name of namesMentionedBy(node)) if (name !== type.name) parts.add(name);
  }
  return parts;
}

/** A class that the module's top level defines again is replaced by the last: in a notebook, the later cell wins. */
function modelClasses(ev: Evaluator, { body }: Module): DefinedClass[] {
  const byNode = new Map(ev.classes.filter((c) => ev.isModuleType(c.type)).map((c) => [c.node, c]));
  const top = new Set<Stmt>(body);
  const last = new Map([...byNode.values()].filter((c) => top.has(c.node)).map((c) => [c.type.name, c]));
  return [...byNode.values()].filter((c) => {
    const winner = last.get(c.type.name);
    if (!top.has(c.node) || winner === undefined || winner === c) return true;
    const where = lineText(winner.type.place ?? ev.source.place(winner.node));
    ev.problem(
      `${c.type.name} is defined again at ${where}, and that definition is the one shown`,
      "information",
      c.type.place,
    );
    return false;
  });
}

function build(
  ev: Evaluator,
  { type }: DefinedClass,
  { args, kwargs, configuration, assumed = false }: Arguments,
  steps: number,
): Built {
  const object = new PyObject(type, type.place);
  // What one model is made of is not there for the next.
  ev.alike.forget();
  let failed = false;
  let draws: readonly Draw[] = [];
  const problems = ev.collect(() => {
    const restore = ev.mark();
    ev.span = undefined;
    // Arguments may hold modules and lists of their own, which two instances must not share.
    const copied = new Map<Value, Value>();
    const recorded = recordDraws(() => {
      try {
        ev.within(steps, () => {
          const own = args.map((value) => deepCopy(ev, value, copied));
          const named = new Map([...kwargs].map(([name, value]) => [name, deepCopy(ev, value, copied)]));
          initializeInstance(ev, object, own, named);
        });
      } catch (error) {
        failed = true;
        const known = ev.understood(error);
        if (!assumed || !refuses(known)) ev.reportError(known);
        else {
          const from = configuration?.label ?? "the defaults of its parameters";
          ev.problem(`${pythonMessage(known)} (with ${from})`, "information", known.place);
        }
      }
    });
    restore();
    draws = recorded.draws;
    const tooMany = tooManyModules(object);
    if (tooMany !== undefined) {
      failed = true;
      object.module?.modules.clear();
      ev.problem(`the modules of ${type.name} are not listed: ${tooMany}`, "error", type.place);
    }
    reportUnknowns(ev, object, new Set([...args, ...kwargs.values()]));
  });
  return { object, draws, problems, failed, configuration, given: { args, kwargs } };
}

/**
 * The class refuses what it was given, or is not made for a default of None. Where that was a guess, it is no mistake of
 * its author.
 */
function refuses(error: PyError | EvaluationError): error is PyError {
  return error instanceof PyError && (isDeliberate(error) || /\bNone(Type)?\b/.test(error.message));
}

/** `known` are the parameters that configurations give. */
function buildWithUnknowns(
  ev: Evaluator,
  defined: DefinedClass,
  known: ReadonlyMap<string, Value>,
  steps: number,
  searched: SearchedFolder | undefined,
): Built {
  const { type } = defined;
  const names = requiredParameters(defined).filter((name) => !known.has(name));
  const given = new Map(known);
  for (const name of names) {
    given.set(name, new Unknown(`nothing in this file gives ${type.name} its parameter ${name}`, type.place));
  }
  const result = build(ev, defined, { args: [], kwargs: given, assumed: true }, steps);
  const one = names.length === 1;
  const list = one ? names[0] : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
  const where = `this file${searched ? ` or its ${searched.deep ? "project" : "folder"}` : ""}`;
  const why = `${one ? "it has" : "they have"} no default and nothing in ${where} constructs ${type.name} with ${one ? "a known value" : "known values"}`;
  const note: Problem = {
    place: type.place!,
    message: `${list} of ${type.name} ${one ? "is" : "are"} unknown: ${why}. Dimensions that depend on ${one ? "it" : "them"} are not shown.`,
    severity: "information",
  };
  // What was passed over may have held layers.
  const partial = result.problems.some(({ severity }) => severity !== "information");
  return { ...result, partial, problems: [note, ...result.problems] };
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
    const tooMany = tooManyToTrace(built.object);
    const { file, place } = this;
    if (tooMany !== undefined)
      throw new UserError(`${this.className}.forward is not traced: ${tooMany}`, { file, line: place.line });
    const wholes = this.relations.wholes().filter((whole) => tooManyToTrace(whole) === undefined);
    const within = givenByWholes(ev, built.object, wholes, sites, options);
    return trace(ev, built.object, sites, options, within);
  }

  useInputs(inputs: GivenInputs): void {
    this.sites.stated.choose(this.built.object, inputs);
  }

  shapes(): ObservedShapes {
    // Where all code is of other files, there is no line here that a shape or an error would stand at.
    const { className, place } = this;
    const none = { className, hints: [], names: [], inputs: [], inputsFrom: "", functions: [] };
    if (!isOfFile(this.built.object, this.file)) return none;
    const tooMany = tooManyToTrace(this.built.object);
    const message = `${className}.forward is not traced: ${tooMany}`;
    if (tooMany !== undefined) return { ...none, problem: { place, message, severity: "information" } };
    return { ...observe(this.ev, this.built.object, this.sites), className: this.className };
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
