import { isModule, moduleClass } from "../../libraries/torch";
import type { Span } from "../../syntax/ast";
import type { Source } from "../../syntax/source";
import type { Alike, Evaluator } from "../../values/evaluator";
import { birth } from "../../values/identity";
import { PyRange } from "../../values/types";
import {
  PyBound,
  PyClass,
  PyDict,
  PyFloat,
  PyFunction,
  PyGenerator,
  PyList,
  PyNamespace,
  type PyNative,
  PyObject,
  PySet,
  PyTensor,
  PyTuple,
  type Value,
} from "../../values/values";
import type { Scope } from "../scope";
import { Template } from "./template";

/**
 * Modules that one call constructs again and again with the same values, as a list of experts is made. The second is
 * constructed under observation. If it depends only on its arguments and changed nothing that existed before, later
 * ones are copies of it. Otherwise they are constructed as in Python.
 */
export class AlikeModules implements Alike {
  private recording: Recording | undefined;
  private readonly calls = new Map<PyClass, Call[]>();
  /** The values that the templates depend on: if one changes, the next module may differ. */
  private readonly read = new Set<object>();
  /** Whether there is a template. */
  private armed = false;
  /** Newer builtin functions were made by the code and see more than their arguments. */
  private readonly start = birth();

  constructor(private readonly ev: Evaluator) {}

  module(type: PyClass, args: readonly Value[], kwargs: ReadonlyMap<string, Value>, make: () => PyObject): PyObject {
    const { ev } = this;
    if (ev.tracing || ev.recorder || ev.guard) return make();
    const call = this.callOf(type, args, kwargs);
    if (call.template) {
      ev.step(1 + (call.template.work >> 2));
      if (this.recording) for (const each of call.read) this.reads(each as Numbered);
      ev.modulesMade += call.template.paths;
      return call.template.next(ev);
    }
    if (!call.wasMade || call.attempts >= MAX_ATTEMPTS) {
      call.wasMade = true;
      return make();
    }
    call.attempts++;
    return this.observed(call, make);
  }

  private callOf(type: PyClass, args: readonly Value[], kwargs: ReadonlyMap<string, Value>): Call {
    const { span, source, departure } = this.ev;
    let known = this.calls.get(type);
    if (!known) {
      known = [];
      this.calls.set(type, known);
    }
    for (const call of known) {
      const isHere = call.span === span && call.source === source && call.departure === departure;
      if (isHere && sameItems(call.args, args) && sameNames(call.kwargs, kwargs)) return call;
    }
    const call: Call = { args, kwargs, span, source, departure, wasMade: false, attempts: 0, read: new Set() };
    if (known.length >= MAX_CALLS) known.shift();
    known.push(call);
    return call;
  }

  private observed(call: Call, make: () => PyObject): PyObject {
    const outer = this.recording;
    const recording: Recording = { from: birth(), read: call.read, spoilt: false };
    this.recording = recording;
    const { random } = this.ev;
    const first = random.nextCreation;
    let made: { readonly value: PyObject; readonly draws: Parameters<typeof Template.of>[1]["draws"] };
    try {
      made = random.record(make);
    } finally {
      this.recording = outer;
      if (outer) {
        outer.spoilt ||= recording.spoilt;
        for (const each of recording.read) this.reads(each as Numbered);
      }
    }
    const { value, draws } = made;
    if (recording.spoilt) return value;
    const { from } = recording;
    call.template = Template.of(value, { from, to: birth(), first, end: random.nextCreation, draws });
    if (!call.template) return value;
    this.armed = true;
    for (const each of call.read) this.read.add(each);
    return call.template.first();
  }

  forget(): void {
    if (this.recording) this.recording.spoilt = true;
    if (!this.armed) return;
    this.armed = false;
    this.calls.clear();
    this.read.clear();
  }

  spoil(): void {
    if (this.recording) this.recording.spoilt = true;
  }

  unobserved<T>(body: () => T): T {
    this.forget();
    const { recording } = this;
    this.recording = undefined;
    try {
      return body();
    } finally {
      this.recording = recording;
      this.forget();
    }
  }

  reads(value: Value | Numbered): void {
    const { recording } = this;
    if (!recording || typeof value !== "object" || value === null || !("born" in value)) return;
    if (value.born >= recording.from || value instanceof PyRange) return;
    // Weights and modules change in ways that are not observed, and a generator by being read.
    const changes = value instanceof PyTensor || value instanceof PyGenerator || isModule(value as Value);
    if (changes) recording.spoilt = true;
    else if (!isFixed(value as Value)) recording.read.add(value);
  }

  readsItems(value: Value): void {
    if (!this.recording) return;
    this.reads(value);
    const items = value instanceof PyList ? value.items : value instanceof PyTuple ? value.items : [];
    for (const item of items) if (!isFixed(item)) this.readsWhole(item);
  }

  readsWhole(value: Value): void {
    if (this.recording && !this.isGivenAnew(value)) this.recording.spoilt = true;
  }

  writes(value: Value): void {
    if (this.recording && !this.isGivenAnew(value)) this.recording.spoilt = true;
    if (!this.armed) return;
    if (value instanceof PyClass || value instanceof PyNamespace || value instanceof PyFunction) this.forget();
    else if (typeof value === "object" && value !== null && (this.read.has(value) || isLive(value))) this.forget();
  }

  handles(values: readonly (Value | undefined)[], most: number): void {
    if (!this.recording && !this.armed) return;
    const seen = new Set<object>();
    const pending = [...values];
    let left = most;
    while (pending.length > 0) {
      const value = pending.pop();
      if (typeof value !== "object" || value === null || seen.has(value)) continue;
      if (!(value instanceof PyList || value instanceof PyTuple || value instanceof PyDict || value instanceof PySet))
        continue;
      seen.add(value);
      if (!(value instanceof PyTuple)) this.writes(value);
      if (value instanceof PyList && value.floats) continue;
      const isListed = value instanceof PyList || value instanceof PyTuple;
      left -= 1 + (isListed ? value.items.length : value.entries.size);
      if (left < 0) {
        this.forget();
        return;
      }
      if (isListed) for (const item of value.items) pending.push(item);
      else if (value instanceof PyDict) for (const entry of value.entries.values()) pending.push(entry.value);
    }
  }

  native(callee: PyNative, args: readonly Value[], kwargs: ReadonlyMap<string, Value>): void {
    if (!this.recording && !this.armed) return;
    const { name, born } = callee;
    if (OBSERVED.has(name)) return;
    if (born >= this.start && !KNOWN.has(name)) this.forget();
    else this.builtin(name, args, kwargs);
  }

  builtin(name: string, args: readonly Value[], kwargs: ReadonlyMap<string, Value>): void {
    if (!this.recording && !this.armed) return;
    const looks = READERS.has(name);
    for (const value of args) this.passed(value, looks);
    if (kwargs.size > 0) for (const value of kwargs.values()) this.passed(value, looks);
  }

  private passed(value: Value, looks: boolean): void {
    if (typeof value !== "object" || value === null) return;
    if (looks) this.reads(value);
    else if (value instanceof PyTuple) for (const item of value.items) this.passed(item, looks);
    else if (value instanceof PyBound) this.passed(value.self, looks);
    else if (!isFixed(value)) this.writes(value);
  }

  enters(scope: Scope): void {
    const { recording } = this;
    if (!recording) return;
    for (let s: Scope | undefined = scope; s && s.kind !== "module"; s = s.parent) {
      if (s.born < recording.from) recording.spoilt = true;
    }
  }

  /** Made since the observed construction began, or not to be changed. */
  private isGivenAnew(value: Value): boolean {
    if (typeof value !== "object" || value === null) return true;
    if (value instanceof PyTuple) return value.items.every((item) => this.isGivenAnew(item));
    if (value instanceof PyFloat) return true;
    return "born" in value && value.born >= this.recording!.from;
  }
}

interface Numbered {
  readonly born: number;
}

interface Call {
  readonly args: readonly Value[];
  readonly kwargs: ReadonlyMap<string, Value>;
  readonly span: Span | undefined;
  readonly source: Source;
  readonly departure: unknown;
  wasMade: boolean;
  attempts: number;
  template?: Template | undefined;
  read: Set<object>;
}

interface Recording {
  readonly from: number;
  readonly read: Set<object>;
  /** The construction had an effect that a copy lacks, or read something that may change. */
  spoilt: boolean;
}

/** The first time around, modules are imported and values kept: that is done once. */
const MAX_ATTEMPTS = 3;
/** Calls of one class that are remembered. */
const MAX_CALLS = 4;

/** Builtin functions and methods that read their arguments without changing them. */
const READERS = new Set(
  (
    "all any bool callable dict enumerate frozenset get int isinstance issubclass items keys len list range reversed " +
    "set tuple type values zip __getitem__ __iter__ __len__"
  ).split(" "),
);
/** What they do is observed where it is done: reading and setting attributes, calls. */
const OBSERVED = new Set(
  "getattr hasattr setattr delattr __getattr__ __getattribute__ __setattr__ __delattr__ __get__ __set__ __call__".split(
    " ",
  ),
);

/** Functions made by the reader while code runs that see only their arguments. */
const KNOWN = new Set("__init__ __new__ __repr__ __eq__ __init_subclass__ __set_name__ __post_init__ mro".split(" "));

/** A dictionary that stands for the names of a module or the attributes of an object. */
function isLive(value: object): boolean {
  return value instanceof PyDict && value.entries.constructor !== Map;
}

/** Values without mutable parts, or without any that a constructor reads. */
function isFixed(value: Value): boolean {
  if (value instanceof PyObject) return value.type.enumMembers !== undefined;
  const changes =
    value instanceof PyList ||
    value instanceof PyDict ||
    value instanceof PySet ||
    value instanceof PyTensor ||
    (value instanceof PyGenerator && !(value instanceof PyRange));
  return !changes;
}

function sameItems(a: readonly Value[], b: readonly Value[]): boolean {
  return a.length === b.length && a.every((value, i) => same(value, b[i]!));
}

/** In the same order, which `**kwargs` keeps. */
function sameNames(a: ReadonlyMap<string, Value>, b: ReadonlyMap<string, Value>): boolean {
  if (a.size !== b.size) return false;
  if (a.size === 0) return true;
  const others = [...b];
  return [...a].every(([name, value], i) => name === others[i]![0] && same(value, others[i]![1]));
}

/** The same object, or equal values that do not change. */
function same(a: Value, b: Value): boolean {
  if (Object.is(a, b)) return true;
  if (a instanceof PyFloat) return b instanceof PyFloat && Object.is(a.value, b.value);
  if (a instanceof PyTuple) {
    return b instanceof PyTuple && !a.subclass && !b.subclass && !a.fields && !b.fields && sameItems(a.items, b.items);
  }
  return false;
}

/** Whether instances of the class may be copies of one. */
export function mayBeAlike(type: PyClass): boolean {
  return type.builtin === undefined && type.mro.includes(moduleClass) && !type.mro.some((t) => t.builtin?.construct);
}
