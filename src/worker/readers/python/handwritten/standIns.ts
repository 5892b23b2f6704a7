import type { Problem, StandIn } from "../../model";
import { Recorder } from "../evaluate/recorder";
import { initializeInstance } from "../evaluate/run/classes";
import type { DefinedClass } from "../evaluate/scope";
import { moduleClass, newModuleState, TORCH_MODULES } from "../libraries/torch";
import { PythonModel, UNRELATED } from "../models/pythonModel";
import type { Module } from "../syntax/ast";
import type { Example } from "../trace/inputs";
import { forwardParams } from "../trace/inputs";
import { attempt } from "../trace/trace";
import type { CallSites } from "../usage/callSites";
import type { Evaluator } from "../values/evaluator";
import { OBJECT } from "../values/types";
import { PyClass, PyFunction, PyObject, type Value } from "../values/values";
import { argumentsFor, type Injector, injectorsOf, layerNames } from "./injectors";
import { misfitOf, type Words } from "./misfit";
import { APART, type Sizes, type Slot, SQUARE, slotsOf, takesRank, valueFor } from "./standInValues";
import type { TrainingChoice } from "./trainingChoice";

/**
 * LoRA written by hand mostly lies in a file of its own, where its sizes are unknown. Here its classes are made, and
 * its injecting functions called, with stand-ins, so that their code can be followed and checked. The results are
 * findings only; the sizes are never shown.
 */

/** Steps of making one, and of following it. */
const STEPS = 100_000;
/** Classes and functions of one file that are looked at. */
const MAX_SUBJECTS = 12;

const WORDS: Words = { in: "in_features", out: "out_features", rank: "r" };

export class StandIns {
  constructor(
    private readonly ev: Evaluator,
    private readonly module: Module,
    private readonly sites: CallSites,
    private readonly training: TrainingChoice,
  ) {}

  all(): StandIn[] {
    const { ev } = this;
    const classes = [...new Map(ev.classes.filter(({ type }) => ev.isModuleType(type)).map((c) => [c.type.name, c]))];
    const found: StandIn[] = [];
    let subjects = 0;
    for (const [, defined] of classes) {
      const slots = slotsOf(defined.type);
      if (!slots || !takesRank(slots) || subjects++ >= MAX_SUBJECTS) continue;
      found.push(...this.ofClass(defined, slots));
    }
    for (const injector of injectorsOf(this.module.body)) {
      if (subjects++ >= MAX_SUBJECTS) break;
      found.push(...this.ofInjector(injector));
    }
    return found;
  }

  /** With stand-ins for rank and alpha, too, and then with what the code gives them: a default may be wrong by itself. */
  private ofClass({ type, node }: DefinedClass, slots: readonly Slot[]): StandIn[] {
    const place = type.place ?? this.ev.source.place(node);
    const words = wordsOf(slots);
    const make = (sizes: Sizes, owned: boolean) => this.made(type, slots, sizes, owned);
    const isLayer = slots.some(({ role }) => role === "linear");
    const hasOwn = slots.some(({ role, hasDefault }) => hasDefault && (role === "rank" || role === "alpha"));
    return (hasOwn ? [false, true] : [false]).flatMap((owned): StandIn[] => {
      const object = make(APART, owned);
      if (!object) return [];
      const square = () => make(SQUARE, owned);
      return this.followed(object, object.type.name, place, { words, isLayer, square });
    });
  }

  private made(type: PyClass, slots: readonly Slot[], sizes: Sizes, owned: boolean): PyObject | undefined {
    const { ev } = this;
    return this.quietly(() => {
      const kwargs = new Map<string, Value>();
      for (const { name, role, hasDefault } of slots) {
        const isScale = role === "rank" || role === "alpha";
        if (hasDefault && (owned || !isScale) && role !== "linear") continue;
        const value = role === "linear" ? linear(ev, sizes) : valueFor(role, sizes);
        if (value === undefined) return undefined;
        kwargs.set(name, value);
      }
      const object = new PyObject(type, type.place);
      initializeInstance(ev, object, [], kwargs);
      return object;
    });
  }

  /** What the function makes of a Linear layer. */
  private ofInjector(injector: Injector): StandIn[] {
    return [false, true].flatMap((owned): StandIn[] => {
      const changed = this.injected(injector, APART, owned);
      if (!changed) return [];
      const square = () => this.injected(injector, SQUARE, owned);
      const place = changed.type.place ?? this.ev.main.place(injector.node.nameSpan);
      return this.followed(changed, injector.node.name, place, { words: WORDS, isLayer: true, square });
    });
  }

  private injected(injector: Injector, sizes: Sizes, owned: boolean): PyObject | undefined {
    const { ev } = this;
    const fn = ev.globals.lookup(injector.node.name);
    if (!(fn instanceof PyFunction)) return undefined;
    const names = layerNames(injector);
    const given = argumentsFor(injector, names, sizes, owned);
    if (!given) return undefined;
    // Layers of a block first, as models have them; some functions only look at a model's own.
    for (const isDeep of [true, false]) {
      const changed = this.quietly(() => {
        const holder = container(ev);
        const layers = new Map(names.map((name) => [name, linear(ev, sizes)]));
        for (const [name, layer] of layers) holder.module!.modules.set(name, layer);
        const model = isDeep ? container(ev) : holder;
        if (isDeep) model.module!.modules.set("block", holder);
        const result = ev.call(fn, [], new Map([[injector.model, model], ...given]));
        // A function that gives a new model back leaves the old one alone.
        const after =
          result instanceof PyObject && result.module && isDeep ? result.module.modules.get("block") : holder;
        for (const [name, layer] of layers) {
          const now = (after ?? holder).module?.modules.get(name) ?? layer;
          if (now !== layer || isChanged(layer)) return now;
        }
        return undefined;
      });
      if (changed) return changed;
    }
    return undefined;
  }

  private followed(
    object: PyObject,
    name: string,
    place: StandIn["model"]["place"],
    { words, isLayer, square }: { words: Words; isLayer: boolean; square: () => PyObject | undefined },
  ): StandIn[] {
    const { ev, sites } = this;
    const input = inputOf(object);
    if (input === undefined) return [];
    const shapes = isLayer ? [layerInput(APART)] : [layerInput(APART), [APART.out, APART.in]];
    const first = this.run(object, input, shapes[0]!);
    const traced = first.traced ?? (shapes[1] && this.run(object, input, shapes[1]).traced);
    let misfit: Problem | undefined;
    if (!traced && first.failure) {
      const { failure, recorder } = first;
      const other = square();
      const runsSquare = other !== undefined && this.run(other, input, layerInput(SQUARE)).traced !== undefined;
      misfit = misfitOf({ failure, recorder, sizes: APART, words, runsSquare, isLayer });
    }
    if (!traced && !misfit) return [];
    const built = { object, draws: [], problems: [], failed: false, configuration: undefined };
    const given = { given: { args: [], kwargs: new Map<string, Value>() } };
    const model = new PythonModel(ev, { name, place }, { ...built, ...given }, sites, {
      ...UNRELATED,
      imported: false,
      trains: () => this.training.of(name) ?? "chosen",
    });
    return [{ model, graph: traced?.graph, misfit }];
  }

  private run(object: PyObject, input: string, shape: readonly number[]) {
    const example: Example = {
      arguments: new Map([[input, { name: input, shape, dtype: "float32" as const }]]),
      from: "stand-ins",
    };
    const recorder = new Recorder();
    return { ...attempt(this.ev, object, example, { recorder, steps: STEPS, unmarked: true }), recorder };
  }

  /** Undefined if anything failed or was skipped, since these values are invented. */
  private quietly<T>(body: () => T | undefined): T | undefined {
    const { ev } = this;
    const { value, problems } = ev.attempt(() => {
      ev.span = undefined;
      return body();
    }, STEPS);
    return problems.some(({ severity }) => severity !== "information") ? undefined : value;
  }
}

function wordsOf(slots: readonly Slot[]): Words {
  if (slots.some(({ role }) => role === "linear")) return WORDS;
  const named = (role: Slot["role"]) => slots.find((slot) => slot.role === role)?.name;
  const input = named("in") ?? WORDS.in;
  return { in: input, out: named("out") ?? input, rank: named("rank") ?? WORDS.rank };
}

const layerInput = (sizes: Sizes): readonly number[] => [2, 5, sizes.in];

/** The one tensor that forward takes; undefined where it takes more. */
function inputOf(object: PyObject): string | undefined {
  const params = forwardParams(object);
  const required = params.filter((p) => p.required);
  return required.length > 1 ? undefined : (required[0] ?? params[0])?.name;
}

function linear(ev: Evaluator, sizes: Sizes): PyObject {
  const made = ev.call(TORCH_MODULES.get("torch.nn")!.get("Linear")!, [sizes.in, sizes.out]);
  if (!(made instanceof PyObject)) throw new Error("torch.nn.Linear does not return a module");
  return made;
}

/** A module of no class of anybody's. What code asks it for besides is unknown. */
function container(ev: Evaluator): PyObject {
  const type = new PyClass("Model", [moduleClass], new Map(), undefined, undefined);
  type.mro = [type, moduleClass, OBJECT];
  type.missing = (name) => `${name} is read from a stand-in for another model`;
  const object = new PyObject(type, ev.place);
  object.module = newModuleState();
  return object;
}

/** Another layer has been put into it, or another forward. */
function isChanged({ module, attributes }: PyObject): boolean {
  return attributes.has("forward") || module!.modules.size > 0 || module!.parameters.size > 2;
}
