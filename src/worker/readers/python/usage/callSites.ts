import type { SourcePlace } from "../../../graph/node";
import { composedFor } from "../configs/hydraModule";
import { truthyOf } from "../evaluate/objects/iteration";
import type { Applied } from "../evaluate/patches";
import { assignTarget, evaluateArguments, evaluateSafely } from "../evaluate/run/expressions";
import { patchStatements } from "../evaluate/run/patchStatements";
import { execute } from "../evaluate/run/statements";
import { Scope } from "../evaluate/scope";
import { ModuleSources } from "../imports/sources";
import type { Draw } from "../libraries/torch";
import { standsAlone } from "../models/asMade";
import { tooManyModules } from "../models/tree";
import { assignedTargets } from "../syntax/assigned";
import type { CallExpr, Expr, Stmt } from "../syntax/ast";
import { isDotted, namesIn, namesMentioned, walkStatements } from "../syntax/walk";
import { StatedInputs } from "../trace/statedInputs";
import type { Evaluator } from "../values/evaluator";
import { Unknown } from "../values/unknown";
import { PyClass, PyFunction, PyObject, type Value } from "../values/values";
import { holdsModules, isBuilder } from "./builders";
import { CHANGERS, changedNames } from "./changedNames";
import type { NamedModule } from "./namedModules";
import { argumentsByParameter, assignmentsOf, isWithin, type Region, regionsOf, targetsOf } from "./regions";
import { type Slice, type Step, sliceFor } from "./slices";

/**
 * Calls in code that is not executed, `if __name__ == "__main__":` and the bodies of functions: how the file's author
 * makes a model and what is fed to it. Arguments are evaluated on demand, from the statements that they depend on.
 */

export interface CallSite {
  readonly call: CallExpr;
  readonly region: Region;
}

export interface EvaluatedCall {
  readonly call: CallExpr;
  /** The function whose body it stands in; undefined at the top level. */
  readonly within: string | undefined;
  readonly args: readonly Value[];
  readonly kwargs: ReadonlyMap<string, Value>;
  /** Configuration files that give its arguments. */
  readonly files?: ReadonlySet<string>;
}

const MAX_CHAIN = 40;
/** Slices evaluated for one call, and the steps they may take together: a script's preparations are short. */
const MAX_SLICES = 100;
const SLICE_STEPS = 200_000;
/** Calls of a function that are tried for the values of its parameters. */
const MAX_CALLERS = 4;

/** The name of a module, where it is bound. */
interface Binding {
  readonly id: string;
  readonly region: Region;
  readonly start: number;
}

export class CallSites {
  /** Inputs that somebody states instead. */
  readonly stated: StatedInputs;
  readonly regions: readonly Region[];
  private readonly byName = new Map<string, CallSite[]>();
  private slicesLeft = 0;
  private readonly bindings = new Map<PyObject, Binding>();

  constructor(
    private readonly ev: Evaluator,
    private readonly body: readonly Stmt[],
    /** Names of the module that the statements are of. */
    readonly globals: Scope = ev.globals,
  ) {
    this.stated = new StatedInputs(ev.main, ev.session.memory.of(ModuleSources));
    this.regions = regionsOf(body);
    for (const region of this.regions) {
      for (const call of region.calls) {
        const { callee } = call;
        if (callee.kind !== "Name") continue;
        const sites = this.byName.get(callee.id) ?? [];
        sites.push({ call, region });
        this.byName.set(callee.id, sites);
      }
    }
  }

  /**
   * Gives the module the names that its main guard assigns and its functions and classes use: `args`, most often. They
   * are global when the file is run as the program it is.
   */
  defineGuardNames(): void {
    const guards = this.regions.filter((r) => r.fn === undefined && r.outer !== undefined);
    if (guards.length === 0) return;
    const used = new Set<string>();
    walkStatements(this.body, (s) => {
      if (s.kind === "Function" || s.kind === "Class") namesMentioned(s, used);
    });
    for (const guard of guards) {
      const assigned = assignedTargets(guard.body).flatMap((t) => (t.kind === "Name" ? [t.id] : []));
      for (const name of new Set(assigned)) {
        if (!used.has(name) || this.globals.lookup(name) !== undefined) continue;
        let value: Value = new Unknown(`${name} is known only when the program runs`);
        this.quietly(() => {
          value = this.scopeFor(new Set([name]), guard, Number.POSITIVE_INFINITY, 0, false).names.get(name) ?? value;
        });
        this.globals.names.set(name, value);
      }
    }
  }

  /** Where the name is assigned last, at the top level or in a main guard. */
  assignment(name: string): SourcePlace | undefined {
    const last = this.regions
      .filter((region) => region.fn === undefined)
      .flatMap((region) => assignmentsOf(region, name))
      .at(-1);
    return last && this.ev.main.place(last);
  }

  /** Calls of the class outside of class bodies, with arguments that could all be evaluated. */
  constructions(type: PyClass): EvaluatedCall[] {
    const named = this.globals.lookup(type.name);
    // Of another module's class of that name.
    if (named instanceof PyClass && named.definedIn !== type.definedIn) return [];
    return (this.byName.get(type.name) ?? []).flatMap((site) => this.evaluated(site));
  }

  /** The method by which the file converts an instance to another precision: `model.double()`, `model.to(torch.bfloat16)`. */
  precision(type: PyClass): string | undefined {
    for (const region of this.regions) {
      for (const call of region.calls) {
        const { callee, start } = call;
        if (callee.kind !== "Attribute") continue;
        const method = callee.name === "to" ? this.statedPrecision(call) : PRECISIONS.get(callee.name);
        if (method !== undefined && this.isInstance(callee.object, region, start, type, 0)) return method;
      }
    }
    return undefined;
  }

  /** Of `model.to(torch.bfloat16)`, `model.to(device, dtype=torch.half)`. */
  private statedPrecision({ args }: CallExpr): string | undefined {
    for (const { value } of args) {
      if (value.kind === "Attribute" && value.object.kind === "Name" && value.object.id === "torch") {
        const method = PRECISIONS.get(value.name);
        if (method !== undefined) return method;
      }
    }
    return undefined;
  }

  /** The module goes by its own name, and not by its class: it is what the file makes at its top. */
  bind({ name: id, object, start }: NamedModule): void {
    const [region] = this.regions;
    if (region && !this.bindings.has(object)) this.bindings.set(object, { id, region, start });
  }

  /** Calls of the module, or of another instance of its class: `model(x)`, `Net()(x)`, `model.forward(x)`. */
  invocations(object: PyObject): EvaluatedCall[] {
    const binding = this.bindings.get(object);
    const isCalled = (call: CallExpr, region: Region) =>
      binding
        ? call.start > binding.start && isBound(calleeOf(call), region, binding)
        : this.isInstance(calleeOf(call), region, call.start, object.type, 0);
    return this.regions.flatMap((region) =>
      region.calls.filter((call) => isCalled(call, region)).flatMap((call) => this.evaluated({ call, region })),
    );
  }

  /**
   * Modules that main guards and functions make of other classes than the file's own: `net = nn.Sequential(...)`. What
   * a function makes goes by the function's name, too: `main.net`, `build` of what it returns.
   */
  modules(isOwn: (type: PyClass) => boolean): NamedModule[] {
    const found = new Map<string, NamedModule>();
    for (const region of this.regions) {
      const { fn } = region;
      if (!fn && !region.outer) continue;
      const changed = changedNames(region.body);
      for (const statement of [...region.assignments, ...region.returns]) {
        const [target] = statement.kind === "Return" ? [] : targetsOf(statement);
        const local = target?.kind === "Name" ? [target.id] : [];
        const name = [...(fn ? [fn.name] : []), ...local].join(".");
        const { value } = statement;
        if (name === "" || (target && local.length === 0) || !value) continue;
        // An instance of the file's own class is another model only where it is changed.
        const patched = patchStatements(region.body, fn?.params).size > 0;
        const isCopy = (type: PyClass) => isOwn(type) && !patched && !changed.has(local[0] ?? "");
        if (!this.makesModule(value, isCopy)) continue;
        const { object, draws, patches } = this.moduleOf(local[0], value, region);
        if (!object || (isOwn(object.type) && !patches?.code && !standsAlone(object))) continue;
        const at = target ?? value;
        found.set(name, { name, place: this.ev.main.place(at), start: at.start, object, draws, patches });
        // What is returned has no name to be called by.
        this.bindings.set(object, { id: local[0] ?? "", region, start: at.start });
      }
    }
    return [...found.values()];
  }

  /** The value of an expression in the region; None when it cannot be determined. */
  valueOf(expr: Expr, region: Region): Value {
    return this.quietValue(() => this.here(expr, region));
  }

  private here(expr: Expr, region: Region): Value {
    return evaluateSafely(this.ev, this.scopeFor(namesIn(expr), region, expr.start, 0, false), expr);
  }

  private makesModule(expr: Expr, isOwn: (type: PyClass) => boolean): boolean {
    if (expr.kind !== "Call") return false;
    const { callee } = expr;
    if (callee.kind === "Attribute" && CHAINED.has(callee.name)) return this.makesModule(callee.object, isOwn);
    if (!isDotted(callee)) return false;
    const made = this.quietValue(() => evaluateSafely(this.ev, this.globals, callee));
    if (made instanceof PyClass) return this.ev.isModuleType(made) && holdsModules(made) && !isOwn(made);
    // add_lora(GPT(config)): an instance of the file's own class is changed there.
    if (made instanceof PyFunction && CHANGERS.test(made.name))
      return expr.args.some(({ value }) => this.makesModule(value, () => false));
    return isBuilder(made, this.ev.main.file);
  }

  /** The module at the region's end; if that cannot be determined, as it is made. */
  private moduleOf(
    name: string | undefined,
    value: Expr,
    region: Region,
  ): Pick<NamedModule, "draws" | "patches"> & { object?: PyObject } {
    let patches: Applied | undefined;
    const changed = (): Value =>
      name === undefined
        ? null
        : (this.scopeFor(new Set([name]), region, Number.POSITIVE_INFINITY, 0, false).names.get(name) ?? null);
    const asMade = (): Value => this.here(value, region);
    let unlisted: { object: PyObject; draws: readonly Draw[]; patches: Applied | undefined } | undefined;
    const { patches: all } = this.ev;
    for (const evaluated of [changed, asMade]) {
      const mark = all.mark();
      const { value: object, draws } = this.ev.random.record(() =>
        this.quietValue(() => {
          const made = evaluated();
          patches = all.since(mark);
          return made;
        }),
      );
      if (!(object instanceof PyObject && object.module)) continue;
      if (tooManyModules(object) === undefined) return { object, draws, patches };
      unlisted ??= { object, draws, patches };
    }
    return unlisted ?? { draws: [] };
  }

  /** First exactly; then, if a branch on the way cannot be decided, with the last branch that assigns. */
  evaluated({ call, region }: CallSite): EvaluatedCall[] {
    let found: EvaluatedCall | undefined;
    const names = new Set<string>();
    for (const { value } of call.args) namesIn(value, names);
    for (const flattened of [false, true]) {
      const { files } = this.ev.provenance.during(() =>
        this.quietly(() => {
          const scope = this.scopeFor(names, region, call.start, 0, flattened);
          const { args, kwargs } = evaluateArguments(this.ev, scope, call);
          if (args instanceof Unknown) return;
          if (![...args, ...kwargs.values()].some((v) => v instanceof Unknown))
            found = { call, within: region.fn?.name, args, kwargs };
        }),
      );
      if (found) return [files.size > 0 ? { ...found, files } : found];
    }
    return [];
  }

  quietValue(body: () => Value): Value {
    return this.quietly(body) ?? null;
  }

  /** Errors here are not the file's problems: another way is tried. */
  quietly<T>(body: () => T): T | undefined {
    this.slicesLeft = MAX_SLICES;
    return this.ev.attempt(() => this.ev.patches.trial(body), SLICE_STEPS).value;
  }

  /** A scope in which the names have the values they have at the position. `flattened` as slices have it. */
  scopeAt(names: ReadonlySet<string>, region: Region, position: number, flattened: boolean): Scope {
    return this.scopeFor(names, region, position, 0, flattened);
  }

  private scopeFor(
    names: ReadonlySet<string>,
    region: Region,
    position: number,
    depth: number,
    flattened: boolean,
  ): Scope {
    const scope = new Scope("function", this.globals, region.fn?.name ?? "");
    scope.isTop = region.fn === undefined;
    const isTop = region.fn === undefined && region.outer === undefined;
    this.ev.provenance.mention(this.globals, names);
    // The top level has been evaluated; only what it assigns more than once may differ from what it ends with.
    const wanted = isTop ? new Set([...names].filter((name) => assignmentsOf(region, name).length > 1)) : names;
    if (isTop && wanted.size === 0) return scope;
    if (depth > MAX_CHAIN || this.slicesLeft-- <= 0) {
      for (const name of wanted) {
        if (this.globals.lookup(name) === undefined)
          scope.names.set(name, new Unknown("its value depends on too many others"));
      }
      return scope;
    }
    const always = isTop ? undefined : patchStatements(region.body, region.fn?.params);
    const slice = sliceFor(region.body, position, wanted, flattened, { isTop: scope.isTop, always });
    this.ev.provenance.mention(this.globals, slice.names);
    if (!isTop) this.enclosing(scope, slice, region, depth, flattened);
    for (const step of slice.steps) this.take(step, scope);
    return scope;
  }

  /** What the slice reads from around the region: its function's parameters and the names of functions around it. */
  private enclosing(scope: Scope, slice: Slice, region: Region, depth: number, flattened: boolean): void {
    const params = (region.fn?.params ?? []).filter((p) => slice.names.has(p.name)).map((p) => p.name);
    const around = region.outer;
    const isTop = around === undefined || (around.fn === undefined && around.outer === undefined);
    if (!isTop) {
      const rest = new Set([...slice.names].filter((name) => !params.includes(name)));
      const values = this.scopeFor(rest, around, Number.POSITIVE_INFINITY, depth + 1, flattened).names;
      for (const [name, value] of values) scope.names.set(name, value);
    }
    for (const [name, value] of this.parameters(region, params, depth, flattened)) scope.names.set(name, value);
  }

  /** Parameters of the region's function, as the file calls it: the first call that gives them all, else defaults. */
  private parameters(
    region: Region,
    names: readonly string[],
    depth: number,
    flattened: boolean,
  ): ReadonlyMap<string, Value> {
    const { fn } = region;
    let best = new Map<string, Value>();
    if (!fn || names.length === 0) return best;
    for (const param of fn.params) {
      if (!names.includes(param.name)) continue;
      const value = param.default
        ? evaluateSafely(this.ev, this.globals, param.default)
        : new Unknown(`${param.name} is an argument of ${fn.name}`);
      best.set(param.name, value);
    }
    const composed = composedFor(this.ev, this.globals, fn);
    if (composed !== undefined && fn.params[0] && best.has(fn.params[0].name)) {
      best.set(fn.params[0].name, composed);
      return best;
    }
    const unknowns = (values: ReadonlyMap<string, Value>) =>
      [...values.values()].filter((v) => v instanceof Unknown).length;
    // Methods are called by way of objects.
    const sites = region.method ? [] : (this.byName.get(fn.name) ?? []);
    const callers = sites.filter((site) => !isWithin(site.region, region));
    for (const { call, region: from } of callers.slice(0, MAX_CALLERS)) {
      const values = new Map(best);
      for (const [name, expr] of argumentsByParameter(fn, call)) {
        if (!values.has(name)) continue;
        const scope = this.scopeFor(namesIn(expr), from, call.start, depth + 1, flattened);
        values.set(name, evaluateSafely(this.ev, scope, expr));
      }
      // A default is for calls that leave the parameter out.
      if (unknowns(values) <= unknowns(best)) best = values;
      if (unknowns(best) === 0) break;
    }
    return best;
  }

  private take(step: Step, scope: Scope): void {
    const restore = this.ev.mark();
    try {
      if (step.kind === "run") execute(this.ev, scope, step.statement);
      else if (step.kind === "bind") {
        const value = evaluateSafely(this.ev, scope, step.value);
        const entered = value instanceof PyObject && this.ev.special(value, "__enter__");
        assignTarget(this.ev, scope, step.target, entered ? this.ev.call(entered, []) : value);
      } else {
        const iterable = evaluateSafely(this.ev, scope, step.iterable);
        const items = iterable instanceof Unknown ? [iterable] : this.ev.iterate(iterable);
        if (!this.takeFirst(step, items, scope))
          assignTarget(this.ev, scope, step.target, new Unknown("no iteration of this loop reaches this line"));
      }
    } catch (error) {
      const unknown = new Unknown(this.ev.reportError(error));
      restore();
      const targets = step.kind === "run" ? assignedTargets([step.statement]) : [step.target];
      for (const target of targets)
        if (target.kind === "Name" && !scope.names.has(target.id)) scope.names.set(target.id, unknown);
    }
  }

  /** Gives the target the first item for which no test is known to fail. */
  private takeFirst(step: Extract<Step, { kind: "first" }>, items: Iterable<Value>, scope: Scope): boolean {
    for (const item of items) {
      this.ev.step();
      assignTarget(this.ev, scope, step.target, item);
      const fails = step.tests.some(({ expr, holds }) => {
        const truth = truthyOf(this.ev, evaluateSafely(this.ev, scope, expr));
        return !(truth instanceof Unknown) && truth !== holds;
      });
      if (!fails) return true;
    }
    return false;
  }

  private isInstance(expr: Expr, region: Region, position: number, type: PyClass, depth: number): boolean {
    if (depth > MAX_CHAIN) return false;
    if (expr.kind === "Call") {
      const { callee } = expr;
      if (callee.kind === "Name") return callee.id === type.name || this.returnsInstance(callee.id, type, depth);
      // model.to(device), Net().eval(), torch.compile(model)
      if (callee.kind !== "Attribute") return false;
      if (WRAPPERS.has(callee.name) && expr.args[0])
        return this.isInstance(expr.args[0].value, region, position, type, depth + 1);
      return CHAINED.has(callee.name) && this.isInstance(callee.object, region, position, type, depth + 1);
    }
    if (expr.kind !== "Name") return false;
    const assignment = assignmentsOf(region, expr.id)
      .filter((a) => a.start < position && targetsOf(a).some((t) => t.kind === "Name"))
      .at(-1);
    if (assignment?.value) return this.isInstance(assignment.value, region, assignment.start, type, depth + 1);
    if (region.fn?.params.some((p) => p.name === expr.id)) return this.isGivenInstance(expr.id, region, type, depth);
    if (region.outer) return this.isInstance(expr, region.outer, Number.POSITIVE_INFINITY, type, depth + 1);
    const value = this.globals.lookup(expr.id);
    return value instanceof PyObject && value.type === type;
  }

  /** A function of the file that makes the model: `def build(args): ... return Net(...)`. */
  private returnsInstance(name: string, type: PyClass, depth: number): boolean {
    const region = this.regions.find((r) => r.fn?.name === name);
    if (!region) return false;
    let returns = false;
    walkStatements(region.body, (s) => {
      if (s.kind === "Return" && s.value)
        returns ||= this.isInstance(s.value, region, s.start, type, depth + MAX_CHAIN / 8);
    });
    return returns;
  }

  /** A parameter that the file's calls of the function give an instance: `train(model, loader)`. */
  private isGivenInstance(name: string, region: Region, type: PyClass, depth: number): boolean {
    const { fn } = region;
    if (!fn) return false;
    return (this.byName.get(fn.name) ?? [])
      .filter((site) => !isWithin(site.region, region))
      .slice(0, MAX_CALLERS)
      .some(({ call, region: from }) => {
        const given = argumentsByParameter(fn, call).find(([param]) => param === name)?.[1];
        return given !== undefined && this.isInstance(given, from, call.start, type, depth + MAX_CHAIN / 8);
      });
  }
}

/** Methods of Module that change the precision, by the names of the methods and of the dtypes. */
const PRECISIONS = new Map([
  ["double", "double"],
  ["float64", "double"],
  ["half", "half"],
  ["float16", "half"],
  ["bfloat16", "bfloat16"],
]);

const CHAINED = new Set([
  "to",
  "cuda",
  "cpu",
  "eval",
  "train",
  "half",
  "float",
  "double",
  "bfloat16",
  "requires_grad_",
]);
/** torch.compile(model), nn.DataParallel(model). */
const WRAPPERS = new Set(["compile", "DataParallel", "DistributedDataParallel"]);

function isBound(expr: Expr, region: Region, binding: Binding): boolean {
  if (expr.kind === "Call" && expr.callee.kind === "Attribute")
    return CHAINED.has(expr.callee.name) && isBound(expr.callee.object, region, binding);
  if (expr.kind !== "Name" || expr.id !== binding.id) return false;
  if (region === binding.region) return true;
  const isLocal = region.fn?.params.some(({ name }) => name === expr.id) || assignmentsOf(region, expr.id).length > 0;
  return !isLocal && region.outer !== undefined && isBound(expr, region.outer, binding);
}

/** What is called, without a trailing `.forward`. */
function calleeOf(call: CallExpr): Expr {
  const { callee } = call;
  return callee.kind === "Attribute" && callee.name === "forward" ? callee.object : callee;
}
