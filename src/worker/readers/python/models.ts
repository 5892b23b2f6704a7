import { UserError } from "../../formats/errors";
import type { Tensor } from "../../formats/tensor";
import { lineText } from "../../graph/node";
import type { Model, ModuleInfo, ObservedShapes, ParameterInfo, Problem, Traced, TraceOptions } from "../model";
import type { Module, Stmt } from "./ast";
import { CallSites } from "./callSites";
import { initializeInstance } from "./classes";
import type { Evaluator } from "./evaluator";
import { findMember } from "./members";
import type { DefinedClass, Definition } from "./scope";
import { observe } from "./shapes";
import { deepCopy } from "./stdlib";
import { type Draw, type InitialTensor, initialize, recordDraws } from "./torch";
import { trace } from "./trace";
import { modulesOf, moduleTree, reportUnknowns, stateDictOf, storedTensors } from "./tree";
import { type PyClass, PyFunction, PyObject, type PyTensor, Unknown, type Value } from "./values";

/** Finds the model classes of a file and builds one instance of each. */

interface Arguments {
  readonly args: readonly Value[];
  readonly kwargs: ReadonlyMap<string, Value>;
}
const NO_ARGUMENTS: Arguments = { args: [], kwargs: new Map() };

interface Built {
  readonly object: PyObject;
  readonly draws: readonly Draw[];
  readonly problems: Problem[];
  /** `__init__` ended in an error; what it had registered is there. */
  readonly failed: boolean;
}

export function buildModels(ev: Evaluator, module: Module, steps: number): Model[] {
  const sites = new CallSites(ev, module.body);
  sites.defineGuardNames();
  const calledAtTop = new Map(ev.constructed);
  const pending = new Set(modelClasses(ev, module));
  const built = new Map<DefinedClass, Built>();
  const attempt = (defined: DefinedClass, candidates: readonly Arguments[]): void => {
    let first: Built | undefined;
    for (const candidate of candidates) {
      const result = build(ev, defined, candidate, steps);
      first ??= result;
      if (result.failed) continue;
      first = result;
      break;
    }
    if (!first) return;
    built.set(defined, first);
    pending.delete(defined);
  };
  // A class that takes arguments is built as the file builds it: at its top level, in a function, or inside another
  // model. The last is known only once that other model has been built, hence the rounds.
  for (let before = -1; before !== pending.size; ) {
    before = pending.size;
    for (const defined of [...pending]) {
      const { type } = defined;
      const called = calledAtTop.get(type);
      const written = sites.constructions(type);
      const inside = called ? undefined : ev.constructed.get(type);
      // What the file itself makes comes before the constructor's defaults, and those before what another model holds.
      const defaults = requiredParameters(defined).length === 0 ? NO_ARGUMENTS : undefined;
      attempt(
        defined,
        [called, ...written, defaults, inside].filter((c) => c !== undefined),
      );
    }
  }
  for (const defined of [...pending]) {
    built.set(defined, buildWithUnknowns(ev, defined, steps));
  }
  for (const [{ type }, { object }] of built) {
    const precision = sites.precision(type);
    if (precision === undefined) continue;
    ev.collect(() => {
      ev.call(ev.getAttribute(object, precision), []);
    });
  }
  const inside = new Set([...built.values()].flatMap(({ object }) => [...typesWithin(object)]));
  return [...built]
    .sort(([a], [b]) => a.node.start - b.node.start)
    .map(([defined, result]) => new PythonModel(ev, defined, result, sites, inside.has(defined.type)));
}

function* typesWithin(root: PyObject): Generator<PyClass> {
  for (const [, module] of modulesOf(root)) if (module !== root) yield module.type;
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

/** Parameters of the constructor that a call has to give. */
function requiredParameters({ type }: DefinedClass): string[] {
  const init = findMember(type, "__init__");
  if (!(init instanceof PyFunction)) return [];
  const { params } = init.definition as Definition;
  return params
    .slice(1)
    .filter((p) => p.default === undefined && p.kind !== "star" && p.kind !== "doubleStar")
    .map((p) => p.name);
}

function build(ev: Evaluator, { type }: DefinedClass, { args, kwargs }: Arguments, steps: number): Built {
  const object = new PyObject(type, type.place);
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
        ev.reportError(error);
      }
    });
    restore();
    draws = recorded.draws;
    reportUnknowns(ev, object, new Set([...args, ...kwargs.values()]));
  });
  return { object, draws, problems, failed };
}

function buildWithUnknowns(ev: Evaluator, defined: DefinedClass, steps: number): Built {
  const { type } = defined;
  const names = requiredParameters(defined);
  const unknown = names.map(
    (name) => new Unknown(`nothing in this file gives ${type.name} its parameter ${name}`, type.place),
  );
  const result = build(ev, defined, { args: [], kwargs: new Map(names.map((n, i) => [n, unknown[i]!])) }, steps);
  const list = names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0];
  const note: Problem = {
    place: type.place!,
    message: `${list} of ${type.name} ${names.length > 1 ? "are" : "is"} unknown: they have no default and nothing in this file constructs ${type.name} with known values. Dimensions that depend on ${names.length > 1 ? "them" : "it"} are not shown.`,
    severity: "information",
  };
  if (names.length === 1) {
    const single = `${list} of ${type.name} is unknown: it has no default and nothing in this file constructs ${type.name} with a known value. Dimensions that depend on it are not shown.`;
    return { ...result, problems: [{ ...note, message: single }, ...result.problems] };
  }
  return { ...result, problems: [note, ...result.problems] };
}

class PythonModel implements Model {
  readonly className: string;
  readonly file: string;
  readonly place;
  readonly root: ModuleInfo;
  readonly stateDict: readonly ParameterInfo[];
  readonly problems: readonly Problem[];

  constructor(
    private readonly ev: Evaluator,
    { type, node }: DefinedClass,
    private readonly built: Built,
    private readonly sites: CallSites,
    readonly part: boolean,
  ) {
    this.className = type.name;
    this.file = ev.main.file;
    this.place = type.place ?? ev.source.place(node);
    this.root = moduleTree(built.object, this.place);
    this.stateDict = stateDictOf(built.object);
    this.problems = built.problems;
  }

  trace(options: TraceOptions = {}): Traced {
    return trace(this.ev, this.built.object, this.sites, options);
  }

  shapes(): ObservedShapes {
    return observe(this.ev, this.built.object, this.sites);
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
