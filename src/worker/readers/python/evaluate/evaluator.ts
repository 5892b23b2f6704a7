import type { SourcePlace } from "../../../graph/node";
import { ShapeError } from "../../../graph/shapes";
import type { Problem, ReadLimits } from "../../model";
import { Provenance } from "../configs/provenance";
import {
  callStandIn,
  isModule,
  moduleCall,
  moduleClass,
  type RandomNumbers,
  tensorAttributeLike,
} from "../libraries/torch";
import type { CallExpr, Span } from "../syntax/ast";
import type { Source } from "../syntax/source";
import type { Attempt, Constructed, Evaluator, ImportResolver, Noted, NotFollowed, Opener } from "../values/evaluator";
import { CANCEL_EVERY, MAX_ITEMS, MAX_NESTING, TENSOR_STEPS, tooManySteps } from "../values/limits";
import { ReadingSession } from "../values/session";
import { classOf, PyPartial, PyWrapped, typeName } from "../values/types";
import { EvaluationError, Unknown } from "../values/unknown";
import {
  PyBound,
  PyClass,
  PyError,
  PyFunction,
  PyList,
  type PyNamespace,
  PyNative,
  PyObject,
  PyTensor,
  PyTuple,
  type Storage,
  type Value,
} from "../values/values";
import { bind, paramsOf } from "./binding";
import { moved, placed, pythonMessage, severityOf, unforeseen, within } from "./errors";
import { executeCode } from "./exec";
import type { Guard } from "./guard";
import { noteInherited } from "./noted";
import { attributeOf, deleteAttributeOf, setAttributeOf } from "./objects/attributes";
import { typeMethod, typeOf } from "./objects/builtinTypes";
import { iterate, lengthOf, truthyOf } from "./objects/iteration";
import { Patches } from "./patches";
import type { Recorder } from "./recorder";
import { AlikeModules } from "./repeated/alike";
import { Reports } from "./reports";
import { allocate, construct, instantiate } from "./run/classes";
import { evaluate } from "./run/expressions";
import { executeBody } from "./run/statements";
import { generatorOf } from "./run/suspended";
import { Cancelled, type DefinedClass, type Definition, LimitError, Scope } from "./scope";

const NO_KWARGS: ReadonlyMap<string, Value> = new Map();

/** The one Evaluator: the state of a reading. Expressions and statements are in files of their own. */
export class PythonEvaluator implements Evaluator {
  tracing = false;
  recorder: Recorder | undefined;
  guard: Guard | undefined;
  journal: Map<Storage, Pick<Storage, "node" | "unknown">> | undefined;
  readonly random: RandomNumbers;
  readonly globals: Scope;
  source: Source;
  departure: SourcePlace | undefined;
  span: Span | undefined;
  /** Where the module was made that runs without an expression: a layer of a Sequential that is a model by itself. */
  private madeAt: SourcePlace | undefined;
  readonly reports = new Reports();
  readonly patches = new Patches(() => this.alike.forget());
  readonly constructed = new Map<PyClass, Constructed>();
  readonly noted = new Map<PyClass, Noted>();
  readonly watched = new Set<PyClass>();
  readonly followed = new WeakSet<Opener>();
  readonly freezesNothing = new Map<PyObject, SourcePlace>();
  readonly consulted = new Set<string>();
  readonly provenance = new Provenance();
  readonly classes: DefinedClass[] = [];
  constructing = 0;
  frame: Scope | undefined;
  nesting = 0;
  readonly alike = new AlikeModules(this);
  modulesMade = 0;
  endless = 0;
  importErrors = 0;
  private steps = 0;
  private budget: number;
  private depth = 0;

  constructor(
    readonly main: Source,
    readonly limits: ReadLimits,
    readonly builtins: Scope,
    private readonly resolver: ImportResolver,
    readonly session = new ReadingSession(),
  ) {
    this.random = session.random;
    this.source = main;
    this.globals = new Scope("module", builtins, "");
    this.globals.text = main;
    this.budget = limits.steps;
  }

  get problems(): readonly Problem[] {
    return this.reports.problems;
  }

  get place(): SourcePlace | undefined {
    return this.span ? this.source.place(this.span) : this.madeAt;
  }

  inModule<T>(madeAt: SourcePlace | undefined, body: () => T): T {
    const outer = this.madeAt;
    this.madeAt = madeAt;
    try {
      return body();
    } catch (error) {
      throw this.understood(error);
    } finally {
      this.madeAt = outer;
    }
  }

  get stepsTaken(): number {
    return this.steps;
  }

  execute(scope: Scope, call: CallExpr, args: readonly Value[]): Value {
    return executeCode(this, scope, call, args);
  }

  get inMain(): boolean {
    return this.source === this.main;
  }

  resolveImport(name: string, importer: Scope = this.globals): PyNamespace | NotFollowed {
    return this.resolver(this, name, importer.module);
  }

  /** Runs code of the scope's module. Errors in an imported module are reported where it was entered. */
  private inSource<T>(scope: Scope, body: () => T): T {
    const inner = scope.source ?? this.source;
    if (inner === this.source) return body();
    const { source, span, departure } = this;
    if (source === this.main) this.departure = this.place;
    this.source = inner;
    this.span = undefined;
    try {
      return body();
    } catch (error) {
      const known = this.understood(error);
      const { place } = known;
      if (source !== this.main || !place || place.file === source.file) throw known;
      throw this.standIn(known, moved(known, this.departure ?? place, within(place)));
    } finally {
      this.source = source;
      this.span = span;
      this.departure = departure;
    }
  }

  aside(scope: Scope, steps: number, body: () => Value): Value {
    const restore = this.mark();
    const { tracing, recorder, constructing, guard, importErrors, journal } = this;
    const before = { tracing, recorder, constructing, guard, importErrors, journal };
    // Changes that a module makes while it is imported stay; only the trace's own changes are undone.
    const apart = { tracing: false, recorder: undefined, constructing: 0, guard: undefined, importErrors: 0 };
    Object.assign(this, { ...apart, journal: undefined });
    // Each module on the way takes far more of the stack than an expression does.
    this.nesting += 24;
    let result: Value = null;
    try {
      this.collect(() => {
        try {
          const left = Math.max(1, Math.min(steps, this.budget - this.steps));
          result = this.alike.unobserved(() => this.within(left, () => this.inSource(scope, body)));
        } catch (error) {
          const known = this.understood(error);
          this.refuseCancelled();
          result = new Unknown(known instanceof PyError ? pythonMessage(known) : known.message, this.departure);
        }
      });
    } finally {
      restore();
      Object.assign(this, before);
    }
    return result;
  }

  private refuseCancelled(): void {
    const { cancel } = this.limits;
    if (cancel && Atomics.load(cancel, 0) !== 0) throw new Cancelled("reading was cancelled", this.place);
  }

  within<T>(steps: number, body: () => T): T {
    // Each model and each trace has a budget of its own, so that a long reading ends with the current one.
    this.refuseCancelled();
    this.alike.forget();
    const { steps: stepsBefore, budget, depth, nesting, endless, modulesMade } = this;
    Object.assign(this, { steps: 0, budget: steps, endless: 0, modulesMade: 0 });
    try {
      return body();
    } finally {
      Object.assign(this, { steps: stepsBefore + this.steps, budget, depth, nesting, endless, modulesMade });
    }
  }

  step(count = 1): void {
    const before = this.steps;
    this.steps += count;
    if (this.steps > this.budget) {
      const loop = this.endless > 0;
      throw new LimitError(tooManySteps(this.budget, loop ? undefined : this.modulesMade), this.place);
    }
    if (Math.floor(before / CANCEL_EVERY) !== Math.floor(this.steps / CANCEL_EVERY)) this.refuseCancelled();
  }

  allot(items: number, what: string): void {
    if (items > MAX_ITEMS) {
      throw new EvaluationError(
        `${what} of ${items.toLocaleString("en-US")} is longer than the ${MAX_ITEMS.toLocaleString("en-US")} the reader holds`,
        this.place,
      );
    }
    this.step(1 + (items >> 4));
  }

  problem(message: string, severity: Problem["severity"] = "warning", place = this.place): void {
    // Remarks on a library's code are not for this file's author.
    if (severity !== "error" && (place ?? this.source).file !== this.main.file) return;
    this.reports.add(this.located(message, severity, place));
  }

  certainly(message: string, severity: Problem["severity"] = "warning", place = this.place): void {
    this.reports.hold(this.located(message, severity, place));
  }

  /** At its place in the file that is read; at where that leads to it, when it is in another. */
  private located(message: string, severity: Problem["severity"], place: SourcePlace | undefined): Problem {
    // A problem reported once per module is reported at the first, which differs between models.
    this.alike.spoil();
    const where = place ?? this.source.place({ start: 0, end: 0 });
    if (where.file === this.main.file) return { place: where, message, severity };
    const from = (this.inMain ? this.place : this.departure) ?? this.main.place({ start: 0, end: 0 });
    return { place: from, message: `${message} ${within(where)}`, severity };
  }

  attempt<T>(body: () => T, steps?: number): Attempt<T> {
    const restore = this.mark();
    let value: T | undefined;
    let error: PyError | EvaluationError | undefined;
    const problems = this.collect(() => {
      try {
        value = steps === undefined ? body() : this.within(steps, body);
      } catch (thrown) {
        error = this.understood(thrown);
      }
    });
    restore();
    return { value, error, problems };
  }

  collect(body: () => void): Problem[] {
    return this.reports.collect(body);
  }

  reportError(error: unknown, inScript = false): string {
    const known = this.understood(error);
    const message = known instanceof PyError ? pythonMessage(known) : known.message;
    this.problem(message, severityOf(known, inScript), known.place ?? this.place);
    return message;
  }

  understood(error: unknown): PyError | EvaluationError {
    if (error instanceof PyError || error instanceof EvaluationError) {
      return error.place ? error : this.standIn(error, placed(error, this.place));
    }
    if (error instanceof ShapeError) return this.standIn(error, new PyError("RuntimeError", error.message, this.place));
    return unforeseen(error, this.place);
  }

  private standIn<E extends PyError | EvaluationError>(error: Error, by: E): E {
    this.recorder?.replaced(error, by);
    return by;
  }

  // Runtime

  call(callee: Value, args: readonly Value[], kwargs: ReadonlyMap<string, Value> = NO_KWARGS): Value {
    const span = this.span;
    if (++this.nesting > MAX_NESTING) throw this.tooDeep();
    const result = this.dispatch(callee, args, kwargs);
    this.nesting--;
    this.span = span;
    return result;
  }

  private dispatch(callee: Value, args: readonly Value[], kwargs: ReadonlyMap<string, Value>): Value {
    if (callee instanceof PyBound) return this.dispatch(callee.callee, [callee.self, ...args], kwargs);
    if (callee instanceof PyFunction) return this.callFunction(callee, args, kwargs);
    if (callee instanceof PyNative) return this.callNative(callee, args, kwargs);
    if (callee instanceof PyClass) return construct(this, callee, args, kwargs);
    if (callee instanceof Unknown) return callee;
    if (callee instanceof PyPartial) {
      return this.call(callee.callee, [...callee.args, ...args], new Map([...callee.kwargs, ...kwargs]));
    }
    if (callee instanceof PyWrapped) return this.call(callee.callee, args, kwargs);
    if (callee instanceof PyObject) {
      if (callee.standsFor) return callStandIn(callee.standsFor, args, kwargs, this);
      const method = this.special(callee, "__call__");
      if (method !== undefined) return this.call(method, args, kwargs);
      if (isModule(callee)) return this.callModule(callee, args, kwargs);
    }
    throw new PyError("TypeError", `'${typeName(callee)}' object is not callable`);
  }

  private callModule(module: PyObject, args: readonly Value[], kwargs: ReadonlyMap<string, Value>): Value {
    if (!this.tracing && this.constructing === 0) {
      return new Unknown(`${module.type.name} is called outside of a trace`, this.place);
    }
    return moduleCall(module, args, kwargs, this);
  }

  callFunction(fn: PyFunction, args: readonly Value[], kwargs: ReadonlyMap<string, Value> = NO_KWARGS): Value {
    const { node, params, qualifiedName, owner } = fn.definition as Definition;
    this.step();
    this.alike.enters(fn.scope as Scope);
    if (fn.name === "__init__") noteInherited(this, owner?.type, args, kwargs);
    const scope = new Scope("function", fn.scope as Scope, qualifiedName);
    scope.owner = owner;
    scope.receiver = args[0];
    fn.params ??= params.map(({ name, kind }) => ({ name, kind, default: fn.defaults.get(name) }));
    bind(qualifiedName || fn.name, fn.params, args, kwargs, (name, value) => scope.names.set(name, value));
    if (node.kind === "Function" && node.generator) return generatorOf(this, scope, node.body);
    return this.inFrame(scope, () => {
      if (node.kind === "Lambda") return evaluate(this, scope, node.body);
      executeBody(this, scope, node.body);
      return scope.uncertain ?? scope.returned;
    });
  }

  inFrame<T>(scope: Scope, body: () => T): T {
    if (++this.depth > this.limits.depth) {
      throw new LimitError(`more than ${this.limits.depth} calls deep: is this an endless recursion?`, this.place);
    }
    const watched = scope.kind === "function" ? this.recorder : undefined;
    watched?.enter(scope, this.place, scope.source === this.main);
    const caller = this.frame;
    scope.caller = caller;
    this.frame = scope;
    const result = this.inSource(scope, body);
    this.frame = caller;
    scope.caller = undefined;
    watched?.leave();
    this.depth--;
    return result;
  }

  callNative(
    native: PyNative,
    args: readonly Value[],
    kwargs: ReadonlyMap<string, Value> = NO_KWARGS,
    name?: string,
  ): Value {
    this.step();
    this.alike.native(native, args, kwargs);
    const bound: Record<string, Value> = {};
    const params = paramsOf(native);
    // torch.zeros(2, 3), torch.zeros((2, 3)) and torch.zeros(size=(2, 3)) are one.
    const size = kwargs.get("size");
    if (size !== undefined && args.length === 0 && params[0]?.kind === "star" && params[0].name === "size") {
      return this.callNative(native, [size], new Map([...kwargs].filter(([key]) => key !== "size")), name);
    }
    bind(name ?? native.name, params, args, kwargs, (key, value) => {
      bound[key] = value;
    });
    const { recorder } = this;
    const { self } = bound;
    // Every method of a string goes through all of it.
    if (typeof self === "string") this.step(self.length >> 6);
    const result = recorder
      ? recorder.native(this.source, native, bound, this.span, () => native.body(bound, this))
      : native.body(bound, this);
    if (result instanceof PyTensor) this.step(TENSOR_STEPS);
    else if (result instanceof PyList || result instanceof PyTuple) this.step(result.items.length >> 4);
    return result;
  }

  getAttribute(object: Value, name: string): Value {
    const value = attributeOf(this, object, name);
    if (value !== undefined) return value;
    if (object instanceof PyClass)
      throw new PyError("AttributeError", `type object '${object.name}' has no attribute '${name}'`);
    // Not every attribute of a tensor is known here; a name that looks like a typing mistake is still an error.
    if (object instanceof PyTensor && !tensorAttributeLike(name))
      return new Unknown(`Tensor.${name} is not evaluated`, this.place);
    const gap = object instanceof PyObject && object.type.mro.find(({ missing }) => missing)?.missing?.(name);
    if (object instanceof PyObject && object.unlisted) return object.unlisted;
    if (typeof gap === "string") return new Unknown(gap, this.place);
    const message = `'${typeName(object)}' object has no attribute '${name}'`;
    throw new PyError("AttributeError", message, undefined, undefined, object);
  }

  tryAttribute(object: Value, name: string): Value | undefined {
    const restore = this.mark();
    try {
      return attributeOf(this, object, name);
    } catch (error) {
      if (!(error instanceof PyError) || error.type !== "AttributeError") throw error;
      restore();
      return undefined;
    }
  }

  setAttribute(object: Value, name: string, value: Value): void {
    setAttributeOf(this, object, name, value);
  }

  iterate(value: Value): Iterable<Value> {
    return iterate(this, value);
  }

  truthy(value: Value): boolean {
    const result = truthyOf(this, value);
    if (result instanceof Unknown) throw new EvaluationError(`a condition is unknown: ${result.reason}`, this.place);
    return result;
  }

  changing(storage: Storage): void {
    this.guard?.changing(storage);
    if (this.journal && !this.journal.has(storage)) {
      this.journal.set(storage, { node: storage.node, unknown: storage.unknown });
    }
  }

  deleteAttribute(object: Value, name: string): void {
    deleteAttributeOf(this, object, name);
  }

  allocate(type: PyClass, args: readonly Value[], kwargs: ReadonlyMap<string, Value>): Value {
    return allocate(this, type, args, kwargs);
  }

  instantiate(type: PyClass, args: readonly Value[], kwargs: ReadonlyMap<string, Value>): Value {
    return instantiate(this, type, args, kwargs);
  }

  isModuleType(type: PyClass): boolean {
    return type.mro.includes(moduleClass);
  }

  typeOf(value: Value): Value {
    return typeOf(value);
  }

  builtinTypeMethod(type: PyClass, name: string): Value | undefined {
    return typeMethod(type, name);
  }

  length(value: Value): Value {
    return lengthOf(this, value);
  }

  special(value: Value, name: string): Value | undefined {
    const own = classOf(value);
    if (!own) return undefined;
    for (const type of own.mro) {
      const member = type.members.get(name);
      if (member instanceof PyFunction || member instanceof PyNative) return new PyBound(value, member);
      if (member !== undefined && member !== null) return this.getAttribute(value, name);
    }
    return undefined;
  }

  tooDeep(): LimitError {
    return new LimitError(
      "calls and expressions are nested too deeply here: is this an endless recursion?",
      this.place,
    );
  }

  mark(): () => void {
    const { depth, nesting, span, constructing, frame, endless } = this;
    const frames = this.recorder?.frames.length ?? 0;
    return () => {
      this.recorder?.frames.splice(frames);
      Object.assign(this, { depth, nesting, span, constructing, frame, endless });
    };
  }
}
