import type { DType } from "../../../formats/dtype";
import type { SourcePlace } from "../../../graph/node";
import type { Expr, Span } from "../syntax/ast";
import type { Source } from "../syntax/source";
import {
  type BoundArgs,
  PyList,
  PyNamespace,
  type PyNative,
  PyObject,
  PyTensor,
  PyTuple,
  type Value,
} from "../values/values";
import type { Scope } from "./scope";

/** Later runs of the same line beyond this many tell a reader nothing new. */
const MAX_RUNS = 64;

/** What one assignment's target was given, run by run. */
export interface Sighting {
  readonly place: SourcePlace;
  readonly name: string;
  /** Qualified name of the function it stands in. */
  readonly fn: string;
  readonly dtype: DType;
  readonly shapes: (readonly number[])[];
}

/** A tensor that an operation was given. */
export interface OperandSeen {
  /** The operand as the source writes it; undefined where it is not written out there. */
  readonly text: string | undefined;
  readonly tensor: PyTensor;
}

/** The operation that raised an error. */
export interface FailedOperation {
  /** "linear", "view", "@", or "forward" of a layer. */
  readonly name: string;
  readonly layer: PyObject | undefined;
  readonly operands: readonly OperandSeen[];
  readonly at: SourcePlace | undefined;
  readonly frames: readonly Frame[];
}

/** A call of a function of the source. */
export interface Frame {
  readonly fn: string;
  readonly calledAt: SourcePlace | undefined;
  readonly scope: Scope;
  /** Tensors it was given, by parameter. */
  readonly inputs: readonly { readonly name: string; readonly shape: PyTensor["shape"] }[];
}

/** Watches one trace: the shape of every assignment, and the operation that fails. */
export class Recorder {
  readonly sightings = new Map<string, Sighting>();
  /** Whole numbers that names were bound to, by function, then name. */
  readonly numbers = new Map<string, Map<string, number[]>>();
  readonly frames: Frame[] = [];
  readonly functions = new Set<string>();
  private readonly failures = new WeakMap<object, FailedOperation>();
  private forwards = 0;

  assigned(source: Source, scope: Scope, span: Span, name: string, value: Value): void {
    const { enclosing } = scope;
    if (enclosing.kind !== "function" || scope.kind === "comprehension") return;
    const fn = enclosing.qualifiedName;
    if (typeof value === "number") this.number(fn, name, value);
    if (!(value instanceof PyTensor) || value.shape.some((d) => d === undefined)) return;
    const key = `${source.file}:${span.start}`;
    let sighting = this.sightings.get(key);
    if (!sighting) {
      sighting = { place: source.place(span), name, fn, dtype: value.dtype, shapes: [] };
      this.sightings.set(key, sighting);
    }
    if (sighting.shapes.length < MAX_RUNS) sighting.shapes.push(value.shape as readonly number[]);
  }

  private number(fn: string, name: string, value: number): void {
    if (/^_+$/.test(name)) return;
    const names = this.numbers.get(fn) ?? new Map<string, number[]>();
    this.numbers.set(fn, names);
    const values = names.get(name);
    if (!values) names.set(name, [value]);
    else if (values.length < MAX_RUNS) values.push(value);
  }

  /** `own` is false for functions of imported modules. */
  enter(scope: Scope, calledAt: SourcePlace | undefined, own: boolean): void {
    if (own) this.functions.add(scope.qualifiedName);
    const inputs = [...scope.names].flatMap(([name, v]) => (v instanceof PyTensor ? [{ name, shape: v.shape }] : []));
    this.frames.push({ fn: scope.qualifiedName, calledAt, scope, inputs });
  }

  leave(): void {
    this.frames.pop();
  }

  /** Runs a native function; the innermost that throws is the operation that failed. */
  native(source: Source, fn: PyNative, args: BoundArgs, span: Span | undefined, body: () => Value): Value {
    const outer = this.forwards;
    const isForward = fn.name === "forward";
    if (isForward) this.forwards++;
    try {
      return body();
    } catch (error) {
      this.note(error, () => {
        const { self, ...rest } = args;
        const layer = isForward && self instanceof PyObject ? self : undefined;
        const values = Object.values(layer || self === undefined ? rest : args);
        const texts =
          this.forwards > 1 ? [] : argumentTexts(source, span, this.frames.at(-1)?.scope, layer !== undefined);
        const at = span && source.place(span);
        return { name: fn.name, layer, operands: operandsOf(values, texts), at, frames: [...this.frames] };
      });
      throw error;
    } finally {
      this.forwards = outer;
    }
  }

  /** Runs an operator on tensors. */
  operator(source: Source, op: string, values: readonly Value[], span: Span | undefined, body: () => Value): Value {
    try {
      return body();
    } catch (error) {
      this.note(error, () => ({
        name: op,
        layer: undefined,
        operands: operandsOf(values, sidesOf(source, span)),
        at: span && source.place(span),
        frames: [...this.frames],
      }));
      throw error;
    }
  }

  private note(error: unknown, describe: () => FailedOperation): void {
    if (typeof error === "object" && error !== null && !this.failures.has(error)) this.failures.set(error, describe());
  }

  /** An error that stands in for another keeps the other's operation. */
  replaced(error: object, by: object): void {
    const failed = this.failures.get(error);
    if (failed) this.failures.set(by, failed);
  }

  failureOf(error: object): FailedOperation | undefined {
    return this.failures.get(error);
  }
}

function operandsOf(values: readonly Value[], texts: readonly (string | undefined)[]): OperandSeen[] {
  return values.flatMap((value, i): OperandSeen[] => {
    if (value instanceof PyTensor) return [{ text: texts[i], tensor: value }];
    if (!(value instanceof PyTuple || value instanceof PyList)) return [];
    return value.items.flatMap((v) => (v instanceof PyTensor ? [{ text: undefined, tensor: v }] : []));
  });
}

const textOf = (source: Source, expr: Expr): string => source.textOf(expr).replace(/\s+/g, " ");

function sidesOf(source: Source, span: Span | undefined): (string | undefined)[] {
  const expr = span as Expr | undefined;
  if (expr?.kind === "Binary") return [textOf(source, expr.left), textOf(source, expr.right)];
  return [];
}

/** The arguments' source texts in the order of the native's parameters. */
function argumentTexts(
  source: Source,
  span: Span | undefined,
  scope: Scope | undefined,
  layer: boolean,
): (string | undefined)[] {
  const expr = span as Expr | undefined;
  if (expr?.kind !== "Call") return [];
  const positional = expr.args.filter((a) => a.type === "positional").map((a) => textOf(source, a.value));
  const { callee } = expr;
  const isMethod = !layer && callee.kind === "Attribute" && !isNamespace(callee.object, scope);
  return isMethod ? [textOf(source, callee.object), ...positional] : positional;
}

function isNamespace(expr: Expr, scope: Scope | undefined): boolean {
  let root = expr;
  while (root.kind === "Attribute") root = root.object;
  return root.kind === "Name" && scope?.lookup(root.id) instanceof PyNamespace;
}
