import fc from "fast-check";
import type { Span } from "../../src/worker/readers/python/syntax/ast";
import { parse } from "../../src/worker/readers/python/syntax/parse";
import { EXPRESSIONS, NUMBERS, STATEMENTS, WRAPPED_EXPRESSIONS, WRAPPED_STATEMENTS } from "./hostile";

/** Python sources changed by their syntax: expressions and statements exchanged, wrapped, and replaced by hostile ones. */

interface Statement extends Span {
  /** Undefined for one that does not begin its line. */
  readonly indent: string | undefined;
}

export interface Parsed {
  readonly text: string;
  readonly expressions: readonly Span[];
  readonly statements: readonly Statement[];
  readonly numbers: readonly Span[];
  readonly names: readonly Span[];
}

/** What is not a statement among the nodes of the syntax tree. */
const STATEMENT =
  /^(Expr|Assign|AnnAssign|AugAssign|Return|If|For|While|With|Try|Raise|Assert|Function|Class|Import|ImportFrom|Global|Nonlocal|Delete|Pass|Break|Continue|Match)$/;

export async function parsed(text: string): Promise<Parsed> {
  const { body } = await parse(text);
  const [expressions, statements, numbers, names]: [Span[], Statement[], Span[], Span[]] = [[], [], [], []];
  const visit = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    const { kind, start, end } = node as Span & { kind?: unknown };
    if (typeof kind === "string" && end > start) {
      if (STATEMENT.test(kind)) statements.push({ start, end, indent: indentAt(text, start) });
      else if (/^[A-Z]/.test(kind)) {
        expressions.push({ start, end });
        if (/^\d+$/.test(text.slice(start, end))) numbers.push({ start, end });
        if (kind === "Name") names.push({ start, end });
      }
    }
    for (const value of Object.values(node)) visit(value);
  };
  visit(body);
  return { text, expressions, statements, numbers, names };
}

function indentAt(text: string, start: number): string | undefined {
  const before = text.slice(text.lastIndexOf("\n", start - 1) + 1, start);
  return /^[ \t]*$/.test(before) ? before : undefined;
}

const edit = fc.record({
  kind: fc.constantFrom(
    ...["expression", "expression", "hostileExpression", "wrapExpression", "number", "name"],
    ...["drop", "twice", "swap", "statement", "hostileStatement", "hostileStatement", "wrapStatement"],
  ),
  at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  other: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  source: fc.nat(),
  expression: fc.constantFrom(...EXPRESSIONS),
  number: fc.constantFrom(...NUMBERS),
  statement: fc.constantFrom(...STATEMENTS),
  around: fc.constantFrom(...WRAPPED_EXPRESSIONS),
  block: fc.constantFrom(...WRAPPED_STATEMENTS),
});
type Edit = typeof edit extends fc.Arbitrary<infer E> ? E : never;

interface Replacement extends Span {
  readonly by: string;
}

/** Changed copies of the sources. */
export function reshaped(sources: readonly Parsed[]): fc.Arbitrary<string> {
  return fc.tuple(fc.constantFrom(...sources), fc.array(edit, { minLength: 1, maxLength: 4 })).map(([source, edits]) =>
    replaced(
      source.text,
      edits.flatMap((e) => replacements(source, sources, e)),
    ),
  );
}

function replaced(text: string, edits: readonly Replacement[]): string {
  let result = text;
  let reached = text.length + 1;
  for (const { start, end, by } of [...edits].sort((a, b) => b.start - a.start)) {
    if (end > reached || (end === reached && start === end)) continue;
    result = result.slice(0, start) + by + result.slice(end);
    reached = start;
  }
  return result;
}

function pick<T>(from: readonly T[], at: number): T | undefined {
  return from[Math.floor(at * from.length)];
}

function replacements(source: Parsed, sources: readonly Parsed[], e: Edit): Replacement[] {
  const { text } = source;
  const other = sources[e.source % sources.length]!;
  const expression = pick(source.expressions, e.at);
  const statement = pick(source.statements, e.at);
  const cut = ({ start, end }: Span, from = text) => from.slice(start, end);
  switch (e.kind) {
    case "expression": {
      const by = pick(other.expressions, e.other);
      return expression && by ? [{ ...expression, by: cut(by, other.text) }] : [];
    }
    case "hostileExpression":
      return expression ? [{ ...expression, by: `(${e.expression})` }] : [];
    case "wrapExpression":
      return expression ? [{ ...expression, by: e.around.replaceAll("§", () => cut(expression)) }] : [];
    case "number": {
      const number = pick(source.numbers, e.at);
      return number ? [{ ...number, by: e.number }] : [];
    }
    case "name": {
      const [name, by] = [pick(source.names, e.at), pick(source.names, e.other)];
      return name && by ? [{ ...name, by: cut(by) }] : [];
    }
  }
  if (statement?.indent === undefined) return [];
  const { indent } = statement;
  const at = { start: statement.start, end: statement.start };
  switch (e.kind) {
    case "drop":
      return [{ ...statement, by: "pass" }];
    case "twice":
      return [{ ...at, by: `${cut(statement)}\n${indent}` }];
    case "swap": {
      const by = pick(source.statements, e.other);
      if (by?.indent === undefined || (by.start < statement.end && statement.start < by.end)) return [];
      return [
        { ...statement, by: indented(cut(by), by.indent, indent) },
        { ...by, by: indented(cut(statement), indent, by.indent) },
      ];
    }
    case "statement": {
      const by = pick(other.statements, e.other);
      return by?.indent === undefined
        ? []
        : [{ ...at, by: `${indented(cut(by, other.text), by.indent, indent)}\n${indent}` }];
    }
    case "hostileStatement":
      return [{ ...at, by: `${indented(e.statement, "", indent)}\n${indent}` }];
    case "wrapStatement":
      return [
        {
          ...statement,
          by: indented(
            e.block.replace("§", () => indented(cut(statement), indent, "    ")),
            "",
            indent,
          ),
        },
      ];
  }
  return [];
}

/** The lines after the first moved from one indentation to another. */
function indented(text: string, from: string, to: string): string {
  return text
    .split("\n")
    .map((line, i) => (i === 0 ? line : line.startsWith(from) ? to + line.slice(from.length) : line))
    .join("\n");
}
