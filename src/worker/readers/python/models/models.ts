import type { Model } from "../../model";
import { givenTo, moduleNameOf } from "../evaluate/run/classes";
import { Injections } from "../handwritten/injections";
import { TrainingChoice } from "../handwritten/trainingChoice";
import type { ClassStmt, Module } from "../syntax/ast";
import { CallSites } from "../usage/callSites";
import { Constructions } from "../usage/constructions";
import { Factories } from "../usage/factories";
import type { NamedModule, NamedModules } from "../usage/namedModules";
import { ProjectCallSites } from "../usage/projectCallSites";
import { reportUnfound } from "../usage/unfoundModels";
import type { Evaluator } from "../values/evaluator";
import type { PyClass, PyObject } from "../values/values";
import { type BuilderOptions, ModelBuilder } from "./builder";
import { Configurations } from "./configuration/configuration";
import { type Built, NO_ARGUMENTS } from "./modelInstance";
import { modelClasses, typesWithin } from "./parts";
import { PythonModel, UNRELATED } from "./pythonModel";
import { tooManyModules } from "./tree";

/** Finds the models of a file: one instance of each model class, and the modules that it makes under other names. */

export interface BuildOptions extends BuilderOptions {
  /** The classes to build; all when left out. */
  readonly isWanted: ((definition: ClassStmt) => boolean) | undefined;
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
  const elsewhere = new ProjectCallSites(
    ev,
    environment,
    steps,
    configurations,
    module.body,
    sites,
    factories,
    injections,
  );
  const sources = { calledAtTop, configurations, sites, written: inWritten, elsewhere };
  const builder = new ModelBuilder(ev, classes, isWanted, sources, factories, { steps, choice, environment });
  const { built } = builder;
  const unresolved = builder.build();
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
    ev.problem("this comment states an input, but it is not at a model's class or assignment", "information", place);
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
