import { UserError } from "../../../formats/errors";
import type { InputSpec } from "../../inputSpec";
import type { DimensionName, ObservedShapes, Problem, ShapeHint } from "../../model";
import { Recorder, type Sighting } from "../evaluate/recorder";
import { LimitError } from "../evaluate/scope";
import type { CallSites } from "../usage/callSites";
import type { Evaluator } from "../values/evaluator";
import type { PyObject } from "../values/values";
import { mapSpecs, specsOf } from "./argument";
import { type FailedAttempt, problemOf } from "./failedTrace";
import { type Example, forwardParams } from "./inputs";
import { type Attempt, attempt, examples } from "./trace";

/**
 * The shapes of assignments, with names for the dimensions that come from the inputs. Which ones do is measured: the
 * trace is repeated with another batch size, another length, ..., and a dimension that changes with one of them comes
 * from it. A size that merely coincides never gets a name.
 */

/** Steps of one trace; a model of 48 blocks takes some 200,000. */
const STEPS = 1_000_000;
/** Traces in all, and steps over all of them, so that showing hints stays a small part of the reader's work. */
const MAX_EXAMPLES = 40;
const ALL_STEPS = 4_000_000;
const MAX_SYMBOLS = 4;

export function observe(ev: Evaluator, root: PyObject, sites: CallSites): ObservedShapes {
  try {
    return observeWith(ev, root, sites);
  } catch (error) {
    // Why the stated inputs cannot be used.
    if (!(error instanceof UserError)) throw error;
    const { place, message } = {
      place: sites.stated.placeOf(root) ?? root.type.place ?? root.place,
      message: error.message,
    };
    if (!place) throw error;
    const problem: Problem = { place, message, severity: "error", code: "input-shape" };
    return { className: root.type.name, names: [], functions: [], hints: [], inputs: [], inputsFrom: "", problem };
  }
}

function observeWith(ev: Evaluator, root: PyObject, sites: CallSites): ObservedShapes {
  const params = forwardParams(root);
  const before = ev.stepsTaken;
  const failed: FailedAttempt[] = [];
  let count = 0;
  for (const example of examples(ev, root, sites, params, {})) {
    if (count++ >= MAX_EXAMPLES || ev.stepsTaken - before > ALL_STEPS) break;
    const recorder = new Recorder();
    const { traced, failure } = attempt(ev, root, example, { recorder, steps: stepsOf(ev) });
    if (traced) return observed(ev, root, example, { traced }, recorder);
    if (!failure) continue;
    failed.push({ failure, recorder });
    if (failure.error instanceof LimitError) break;
  }
  const best = failed.reduce<FailedAttempt | undefined>(
    (far, one) => (!far || one.failure.steps > far.failure.steps ? one : far),
    undefined,
  );
  const base = { className: root.type.name, names: [], functions: [] };
  if (!best) return { ...base, hints: [], inputs: [], inputsFrom: "" };
  const problem = problemOf(ev, root, failed, best);
  // Shapes up to the error are valid if the inputs come from a call in the file; a failed guess shows nothing.
  const { example } = best.failure;
  if (!example.given) return { ...base, hints: [], inputs: [], inputsFrom: "", problem };
  return { ...observed(ev, root, example, { failure: best.failure }, best.recorder), problem };
}

function stepsOf(ev: Evaluator): number {
  return Math.min(STEPS, ev.limits.steps);
}

interface Symbol {
  readonly input: string;
  readonly axis: number;
  /** Its size in each run, the first being the example's own. */
  readonly sizes: readonly number[];
}

function observed(ev: Evaluator, root: PyObject, example: Example, first: Attempt, recorder: Recorder): ObservedShapes {
  const { traced } = first;
  const { symbols, runs } = perturbed(ev, root, example, first, recorder);
  const namer = new Namer(symbols, runs, `${root.type.name}.forward`);
  const hints = [...recorder.sightings].map(([key, sighting]) => hintOf(key, sighting, runs, namer));
  return {
    className: root.type.name,
    hints,
    names: namer.names(),
    inputs: traced?.inputs ?? inputsOf(example),
    inputsFrom: example.from,
    functions: [...recorder.functions],
    ...(traced && { graph: traced.graph }),
  };
}

function inputsOf(example: Example): InputSpec[] {
  return [...example.arguments.values()].flatMap(specsOf);
}

/** Dimensions of the inputs that change together: the batch, and those behind it that have one size. */
function groupsOf(
  inputs: readonly InputSpec[],
): { readonly input: string; readonly axis: number; readonly size: number }[] {
  const groups = new Map<string, { input: string; axis: number; size: number }>();
  for (const { name, shape } of inputs) {
    shape.forEach((size, axis) => {
      const key = axis === 0 ? `batch ${size}` : `other ${size}`;
      if (!groups.has(key)) groups.set(key, { input: name, axis, size });
    });
  }
  return [...groups.values()].sort((a, b) => a.axis - b.axis).slice(0, MAX_SYMBOLS);
}

function perturbed(
  ev: Evaluator,
  root: PyObject,
  example: Example,
  { failure }: Attempt,
  first: Recorder,
): { symbols: Symbol[]; runs: Recorder[] } {
  const runs = [first];
  // A trace that reaches the limit also reaches it with other sizes.
  if (failure?.error instanceof LimitError) return { symbols: [], runs };
  const changed: { input: string; axis: number; size: number; run: number; to: number }[] = [];
  for (const group of groupsOf(inputsOf(example))) {
    const { size, axis } = group;
    // All dimensions of that size, as of queries and keys; else that axis alone, as when T happens to equal a width.
    const others = otherSizes(size, axis).flatMap((to) =>
      [false, true].map((alone) => ({ to, other: resized(example, group, to, alone) })),
    );
    for (const { to, other } of others) {
      const recorder = new Recorder();
      // A size that the model does not accept is fixed: it stays a number.
      const again = attempt(ev, root, other, { recorder, steps: stepsOf(ev), unmarked: true });
      if (failure ? again.failure?.error.place !== failure.error.place : !again.traced) continue;
      changed.push({ ...group, run: runs.length, to });
      runs.push(recorder);
      break;
    }
  }
  const symbols = changed.map(({ input, axis, size, run, to }) => ({
    input,
    axis,
    sizes: runs.map((_, i) => (i === run ? to : size)),
  }));
  return { symbols, runs };
}

/** A batch can be larger; a length often has a limit above, and an image must stay divisible. */
function otherSizes(size: number, axis: number): number[] {
  if (axis === 0) return [size + 1];
  const sizes = [size - 3, size / 2].filter((n) => Number.isInteger(n) && n > 1);
  return sizes.length > 0 ? sizes : [size + 1];
}

function resized(example: Example, group: { axis: number; size: number }, to: number, alone: boolean): Example {
  const args = [...example.arguments].map(([name, argument]): [string, typeof argument] => {
    const changed = mapSpecs(argument, (spec) => {
      const shape = spec.shape.map((d, axis) => {
        const meant = alone ? axis === group.axis : (axis === 0) === (group.axis === 0);
        return meant && d === group.size ? to : d;
      });
      return { ...spec, shape };
    });
    return [name, changed];
  });
  return { ...example, arguments: new Map(args) };
}

function hintOf(key: string, sighting: Sighting, runs: readonly Recorder[], namer: Namer): ShapeHint {
  const { place, name, dtype, shapes, fn } = sighting;
  const texts = shapes.map((shape, occurrence) =>
    shape.map((_, axis) =>
      namer.dimension(
        fn,
        runs.map((run) => run.sightings.get(key)?.shapes[occurrence]?.[axis]),
      ),
    ),
  );
  const different = [...new Map(shapes.map((s) => [s.join(), s])).values()];
  return { place, name, dtype, dims: merged(texts), shapes: different, runs: shapes.length };
}

/** Sizes that a dimension has in turn, in a loop over layers, are named up to so many. */
const NAMED_SIZES = 3;

/** The first run's; a dimension that is another one in later runs is `64|32`, or "…" where it is many. */
function merged(texts: readonly (readonly string[])[]): string[] {
  const [first = [], ...rest] = texts;
  if (rest.some((dims) => dims.length !== first.length)) return ["…"];
  return first.map((_, axis) => {
    const sizes = [...new Set([first, ...rest].map((dims) => dims[axis]!))];
    return sizes.length > NAMED_SIZES || sizes.includes("…") ? "…" : sizes.join("|");
  });
}

/** Finds the code's own names for dimensions. */
class Namer {
  private readonly bySymbol: readonly string[];

  constructor(
    private readonly symbols: readonly Symbol[],
    private readonly runs: readonly Recorder[],
    entry: string,
  ) {
    const functions = [entry, ...runs[0]!.numbers.keys()];
    const taken = new Set<string>();
    this.bySymbol = symbols.map((symbol) => {
      const given = functions.map((fn) => this.bound(fn, symbol.sizes)).find((n) => n !== undefined && !taken.has(n));
      const name = given ?? usual(symbol.axis, taken);
      taken.add(name);
      return name;
    });
  }

  names(): DimensionName[] {
    return this.symbols.map(({ input, axis, sizes }, i) => ({
      name: this.bySymbol[i]!,
      input,
      axis,
      size: sizes[0]!,
    }));
  }

  /** The dimension's text, from its size in each run. */
  dimension(fn: string, sizes: readonly (number | undefined)[]): string {
    const [first] = sizes;
    if (first === undefined || sizes.some((s) => s === undefined)) return "…";
    const known = sizes as readonly number[];
    if (known.every((s) => s === first)) return String(first);
    return this.bound(fn, known) ?? this.formula(known, (i) => this.nameIn(fn, i)) ?? "…";
  }

  private nameIn(fn: string, i: number): string {
    return this.bound(fn, this.symbols[i]!.sizes) ?? this.bySymbol[i]!;
  }

  /** A name of the function that had these sizes in the runs. */
  private bound(fn: string, sizes: readonly number[]): string | undefined {
    for (const [name, values] of this.runs[0]!.numbers.get(fn) ?? []) {
      const fits = values.some((value, occurrence) =>
        sizes.every(
          (size, run) => (run === 0 ? value : this.runs[run]!.numbers.get(fn)?.get(name)?.[occurrence]) === size,
        ),
      );
      if (fits) return name;
    }
    return undefined;
  }

  private formula(sizes: readonly number[], name: (i: number) => string): string | undefined {
    const all = this.symbols.map(({ sizes: own }, i) => ({ own, i }));
    const where = (test: (own: readonly number[]) => boolean) => all.find(({ own }) => test(own));
    const every = (test: (size: number, run: number) => boolean) => sizes.every(test);
    const same = where((own) => every((s, r) => s === own[r]));
    if (same) return name(same.i);
    const factor = (own: readonly number[]) => sizes[0]! / own[0]!;
    const multiple = where((own) => factor(own) !== 0 && every((s, r) => s === own[r]! * factor(own)));
    if (multiple) {
      const k = factor(multiple.own);
      if (Number.isInteger(k)) return `${k}·${name(multiple.i)}`;
      if (Number.isInteger(1 / k)) return `${name(multiple.i)}/${1 / k}`;
    }
    const shifted = where((own) => every((s, r) => s - own[r]! === sizes[0]! - own[0]!));
    if (shifted) {
      const c = sizes[0]! - shifted.own[0]!;
      return c > 0 ? `${name(shifted.i)}+${c}` : `${name(shifted.i)}−${-c}`;
    }
    for (const a of all) {
      for (const b of all) {
        if (b.i <= a.i) continue;
        const k = sizes[0]! / (a.own[0]! * b.own[0]!);
        if (!Number.isInteger(k) || k === 0 || !every((s, r) => s === k * a.own[r]! * b.own[r]!)) continue;
        return `${k === 1 ? "" : `${k}·`}${name(a.i)}·${name(b.i)}`;
      }
    }
    return undefined;
  }
}

/** Default names, when the code has none: B for the batch, T for the next dimension, as is usual. */
function usual(axis: number, taken: ReadonlySet<string>): string {
  const wanted = axis === 0 ? "B" : axis === 1 ? "T" : "S";
  return taken.has(wanted) ? `${wanted}${axis}` : wanted;
}
