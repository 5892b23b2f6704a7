import type { BinaryOp, ComprehensionExpr, Expr } from "../../syntax/ast";
import type { NumberFunction } from "../../values/numberFunction";
import { modulo, quotient } from "../../values/numbers";
import { PyRange } from "../../values/types";
import { PyFloat, PyList, PyTuple, type Value } from "../../values/values";
import { type Code, compileCallee, type Frame, NOT_PLAIN, type Slots } from "./plainCode";
import { numberFunctionOf } from "./plainFunctions";

/**
 * `[arithmetic for name in numbers]`, one operation on all elements after the other, as tables of positions are made: no
 * object is made for a number in between. A part that sees the same numbers as the last time keeps what it gave, as the
 * frequencies do that each row of a table divides by. Nothing here changes anything: whatever is not whole numbers that
 * a double holds, or floats, or raises an error in Python, is left to plain code.
 */

/** Numbers of one Python type. A name from outside of the comprehension is one number for all elements. */
interface Column {
  readonly float: boolean;
  readonly values: number | Float64Array;
}
type Columns = (frame: Frame, elements: Column, length: number) => Column;

/** 8 MB. */
const MAX_LENGTH = 1 << 20;
/** Columns up to this length are kept for the next time. */
const MAX_KEPT = 1 << 12;

function leave(): never {
  throw NOT_PLAIN;
}

function numberColumn(value: Value): Column {
  if (typeof value === "number") return { float: false, values: value };
  return value instanceof PyFloat ? { float: true, values: value.value } : leave();
}

/** The floats or whole numbers that a comprehension of one clause makes. Thrown NOT_PLAIN where it is not of those. */
export function columnsOf(
  expr: ComprehensionExpr,
  slots: Slots,
): (frame: Frame, iterable: Value) => Float64Array | Value[] {
  const [clause, ...more] = expr.clauses;
  if (expr.type !== "list" || clause?.type !== "for" || more.length > 0 || clause.target.kind !== "Name") leave();
  // A name's floats are the very ones of the list.
  if (expr.value.kind === "Name") leave();
  const value = compileColumn(expr.value, clause.target.id, slots);
  const elementsOf = keptElements();
  return (frame, iterable) => {
    const { column, length } = elementsOf(iterable);
    const { float, values } = value(frame, column, length);
    if (typeof values === "number") return leave();
    return float ? values : Array.from(values);
  };
}

/** What a loop goes over as a column: the same one for the same range. */
function keptElements(): (iterable: Value) => { readonly column: Column; readonly length: number } {
  let kept: { readonly range: PyRange; readonly column: Column } | undefined;
  return (iterable) => {
    if (!(iterable instanceof PyRange)) return listed(iterable);
    const { first, step, length } = iterable;
    if (length > MAX_LENGTH || !Number.isSafeInteger(first + length * step)) return leave();
    if (kept && kept.range.first === first && kept.range.step === step && kept.range.length === length) {
      return { column: kept.column, length };
    }
    const values = new Float64Array(length);
    for (let i = 0; i < length; i++) values[i] = first + i * step;
    const column = { float: false, values };
    kept = length <= MAX_KEPT ? { range: iterable, column } : undefined;
    return { column, length };
  };
}

function listed(iterable: Value): { readonly column: Column; readonly length: number } {
  if (!(iterable instanceof PyList || iterable instanceof PyTuple) || iterable.subclass !== undefined) return leave();
  const floats = iterable instanceof PyList ? iterable.floats : undefined;
  if (floats) return { column: { float: true, values: floats }, length: floats.length };
  const { items } = iterable;
  if (items.length > MAX_LENGTH) return leave();
  const { float } = numberColumn(items[0] ?? leave());
  const values = new Float64Array(items.length);
  for (let i = 0; i < items.length; i++) {
    const item = numberColumn(items[i]!);
    if (item.float !== float) return leave();
    values[i] = item.values as number;
  }
  return { column: { float, values }, length: items.length };
}

function compileColumn(expr: Expr, target: string, slots: Slots): Columns {
  switch (expr.kind) {
    case "Constant": {
      const column = numberColumn(expr.value);
      return () => column;
    }
    case "Name": {
      if (expr.id === target) return (_frame, elements) => elements;
      const slot = slots.of(expr.id);
      let kept: Column | undefined;
      return (frame) => {
        const column = numberColumn(frame.slots[slot] ?? null);
        if (!kept || kept.float !== column.float || !Object.is(kept.values, column.values)) kept = column;
        return kept;
      };
    }
    case "Unary":
      if (expr.op !== "-") return leave();
      return operation("*", () => ({ float: false, values: -1 }), compileColumn(expr.operand, target, slots));
    case "Binary": {
      const [left, right] = [expr.left, expr.right].map((side) => compileColumn(side, target, slots));
      return operation(expr.op, left!, right!);
    }
    case "Call": {
      if (!expr.simple || expr.args.length === 0 || expr.args.length > 2) return leave();
      const args = expr.args.map(({ value }) => compileColumn(value, target, slots));
      return called(compileCallee(expr.callee, slots), args);
    }
    default:
      return leave();
  }
}

/** An operation that gives what it gave while it is given the same columns and does the same. */
function kept(
  operands: readonly Columns[],
  ruleOf: (frame: Frame) => unknown,
  make: (columns: readonly Column[], length: number, rule: unknown) => Column,
): Columns {
  let last: { readonly columns: readonly Column[]; readonly rule: unknown; readonly made: Column } | undefined;
  return (frame, elements, length) => {
    const rule = ruleOf(frame);
    const columns = operands.map((operand) => operand(frame, elements, length));
    if (last && last.rule === rule && columns.every((column, i) => column === last!.columns[i])) return last.made;
    const made = make(columns, length, rule);
    const isShort = [...columns, made].every(({ values }) => typeof values === "number" || values.length <= MAX_KEPT);
    last = isShort ? { columns, rule, made } : undefined;
    return made;
  };
}

function operation(op: BinaryOp, left: Columns, right: Columns): Columns {
  return kept(
    [left, right],
    () => op,
    ([a, b], length) => {
      const float = a!.float || b!.float;
      const fn = (float ? FLOATS[op] : WHOLES[op]) ?? leave();
      return mapped(fn, [a!.values, b!.values], length, float || op === "/");
    },
  );
}

function called(callee: Code, args: readonly Columns[]): Columns {
  return kept(
    args,
    (frame) => numberFunctionOf(callee(frame)) ?? leave(),
    (columns, length, rule) => {
      const { fn, float } = (rule as NumberFunction)(columns.map((column) => column.float)) ?? leave();
      return mapped(
        fn,
        columns.map(({ values }) => values),
        length,
        float,
      );
    },
  );
}

type Operands = readonly (number | Float64Array)[];

function mapped(fn: (a: number, b: number) => number, operands: Operands, length: number, float: boolean): Column {
  const [a, b = 0] = operands as [number | Float64Array, (number | Float64Array)?];
  if (typeof a === "number" && typeof b === "number") return { float, values: float ? fn(a, b) : whole(fn(a, b)) };
  const values = new Float64Array(length);
  if (typeof a === "number") for (let i = 0; i < length; i++) values[i] = fn(a, (b as Float64Array)[i]!);
  else if (typeof b === "number") for (let i = 0; i < length; i++) values[i] = fn(a[i]!, b);
  else for (let i = 0; i < length; i++) values[i] = fn(a[i]!, b[i]!);
  if (!float) for (let i = 0; i < length; i++) values[i] = whole(values[i]!);
  return { float, values };
}

/** A whole number has no sign of zero. */
function whole(value: number): number {
  return Number.isSafeInteger(value) ? value + 0 : leave();
}

type Operation = (a: number, b: number) => number;

const divide: Operation = (a, b) => (b === 0 ? leave() : a / b);
const BOTH: Partial<Record<BinaryOp, Operation>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": divide,
  "%": (a, b) => (b === 0 ? leave() : modulo(a, b)),
};
const WHOLES: Partial<Record<BinaryOp, Operation>> = {
  ...BOTH,
  "//": (a, b) => (b === 0 ? leave() : quotient(a, b)),
  // To a negative power it is a float.
  "**": (a, b) => (b < 0 ? leave() : a ** b),
};
const FLOATS: Partial<Record<BinaryOp, Operation>> = {
  ...BOTH,
  "**": (a, b) => ((a === 0 && b < 0) || (a < 0 && !Number.isInteger(b)) ? leave() : a ** b),
};
