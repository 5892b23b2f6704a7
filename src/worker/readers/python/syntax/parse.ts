import { readFile } from "node:fs/promises";
import { Language, Parser, type TreeCursor } from "web-tree-sitter";
import type { Expr, Module, Span, Stmt, SyntaxProblem } from "./ast";
import { blankComments } from "./comments";
import { pieceStarts } from "./logicalLines";
import { Lowering } from "./lower";
import { type KeptPieces, layOut, type Piece } from "./pieces";
import type { PlacedText, Raw } from "./raw";

/**
 * The longest model files of Hugging Face transformers have a sixth of it, and dense code of this length takes seconds
 * to read; a longer file is data, not a model somebody wrote.
 */
export const MAX_SOURCE_LENGTH = 2 * 1024 * 1024;
const MAX_SYNTAX_PROBLEMS = 20;

interface Grammar {
  readonly parser: Parser;
  readonly types: readonly string[];
  readonly fields: readonly (string | null)[];
  readonly tokens: readonly (Raw | null | undefined)[];
}

let grammar: Promise<Grammar> | undefined;
/** Once it has been read, so that imported modules can be parsed where they are asked for. */
let ready: Grammar | undefined;

async function loadGrammar(): Promise<Grammar> {
  await Parser.init({ locateFile: () => require.resolve("web-tree-sitter/web-tree-sitter.wasm") });
  const language = await Language.load(await readFile(require.resolve("tree-sitter-python/tree-sitter-python.wasm")));
  const parser = new Parser();
  parser.setLanguage(language);
  ready = { parser, types: language.types, fields: language.fields, tokens: sharedTokens(language.types) };
  return ready;
}

interface Edited {
  readonly file: string;
  /** Where its last text's pieces are, and this one's are kept. */
  readonly kept: KeptPieces;
}

export interface ParseOptions {
  readonly cancelled?: (() => boolean) | undefined;
  /** Parsed each by itself, so that what is open at the end of a notebook's cell does not reach into the next. */
  readonly segments?: readonly Span[] | undefined;
  /** Each definition at the top is parsed by itself, too: what is open in one does not reach into the next. */
  readonly pieces?: boolean;
  /** With `pieces`, the file whose text this is: what has stayed the same since its last text is not parsed again. */
  readonly edited?: Edited | undefined;
}

/** Parses Python. A syntax error is data: everything outside the statement it stands in is still there. */
export async function parse(text: string, options: ParseOptions = {}): Promise<Module> {
  const { cancelled, segments = [{ start: 0, end: text.length }], pieces = false, edited } = options;
  if (text.includes("\0"))
    return { body: [], errors: [{ start: 0, end: 0, message: "this is not Python source: it holds zero bytes" }] };
  grammar ??= loadGrammar();
  const loaded = await grammar;
  const spans = pieces ? segments.flatMap((segment) => piecesOf(text, segment)) : segments;
  if (pieces && edited) return parseChanged(loaded, text, spans, edited, cancelled);
  const parts = spans.map(({ start, end }) => {
    const whole = start === 0 && end === text.length;
    return parseSegment(loaded, text, blankComments(whole ? text : text.slice(start, end)), start, cancelled);
  });
  return joined(parts);
}

function joined(parts: readonly Omit<Module, "pieces">[]): Omit<Module, "pieces"> {
  return { body: parts.flatMap((part) => part.body), errors: firstOf(parts.flatMap((part) => part.errors)) };
}

function piecesOf(text: string, { start, end }: Span): Span[] {
  const starts = pieceStarts(text.slice(start, end));
  return starts.map((from, i) => ({ start: start + from, end: start + (starts[i + 1] ?? end - start) }));
}

function parseChanged(
  loaded: Grammar,
  text: string,
  spans: readonly Span[],
  { file, kept }: Edited,
  cancelled: (() => boolean) | undefined,
): Module {
  const laid = layOut(
    spans.map(({ start, end }) => text.slice(start, end)),
    kept.of(file),
  );
  const pieces: Piece[] = [];
  for (const { text: own, base, known } of laid) {
    if (cancelled?.()) return joined([abandoned(base)]);
    const placed = { slice: (from: number, to: number) => own.slice(from - base, to - base) };
    pieces.push(known ?? { text: own, base, ...parseSegment(loaded, placed, blankComments(own), base, cancelled) });
  }
  if (cancelled?.()) return joined([abandoned(0)]);
  kept.keep(file, pieces);
  return {
    ...joined(pieces),
    pieces: laid.map(({ base }, i) => ({ base, start: spans[i]!.start, length: spans[i]!.end - spans[i]!.start })),
  };
}

function firstOf(errors: readonly SyntaxProblem[]): readonly SyntaxProblem[] {
  const next = errors[MAX_SYNTAX_PROBLEMS];
  if (!next) return errors;
  const more = {
    ...next,
    message: `Python syntax error, and ${errors.length - MAX_SYNTAX_PROBLEMS - 1} more after it`,
  };
  return [...errors.slice(0, MAX_SYNTAX_PROBLEMS), more];
}

function abandoned(start: number): Omit<Module, "pieces"> {
  return { body: [], errors: [{ start, end: start, message: "reading was cancelled" }] };
}

/**
 * Parses a part of `text` that begins at `start`, of which `segment` has the same length and may leave bodies out. A
 * `parse` has to have come before, which reads the grammar.
 */
export function parsePart(
  text: string,
  segment: string,
  start: number,
  leftOut?: ReadonlyMap<number, () => Stmt | undefined>,
): readonly Stmt[] {
  if (!ready) throw new Error("parsePart() before the first parse()");
  return parseSegment(ready, text, blankComments(segment), start, undefined, leftOut).body;
}

/** `segment` is what is parsed of `text`, without its comments; it begins at `start`. */
function parseSegment(
  { parser, ...tables }: Grammar,
  text: PlacedText,
  segment: string,
  start: number,
  cancelled?: () => boolean,
  leftOut?: ReadonlyMap<number, () => Stmt | undefined>,
): Omit<Module, "pieces"> {
  const end = start + segment.length;
  // Rows and columns of the range are never looked at: places are worked out from offsets.
  const origin = { row: 0, column: 0 };
  const range = { startIndex: start, endIndex: end, startPosition: origin, endPosition: { row: end, column: 0 } };
  const input = start === 0 ? segment : (index: number) => segment.slice(index - start);
  const tree = parser.parse(input, null, {
    ...(cancelled && { progressCallback: cancelled }),
    ...(start > 0 && { includedRanges: [range] }),
  });
  if (!tree) {
    parser.reset();
    return abandoned(start);
  }
  try {
    const cursor = tree.walk();
    const errors: SyntaxProblem[] = [];
    const body: Stmt[] = [];
    const lowering = new Lowering(text, leftOut);
    const copier = new Copier(cursor, tables, tree.rootNode.hasError, text, errors);
    // One top-level statement at a time, so that the copy of a large file's tree is never whole in memory.
    if (cursor.gotoFirstChild()) {
      do {
        const data = dataStatement(cursor);
        const raw = data ? undefined : copier.copy();
        if (data) body.push(data);
        if (raw) body.push(...lowering.statement(raw));
      } while (cursor.gotoNextSibling());
    } else if (tree.rootNode.type === "ERROR") {
      errors.push({ start, end, message: "Python syntax error" });
    }
    cursor.delete();
    errors.push(...lowering.errors);
    return { body, errors };
  } finally {
    tree.delete();
  }
}

/** Nodes of one top-level expression from which it is a table of data: copying it would take longer than it is worth. */
const MAX_DATA_NODES = 100_000;

/** The statement under the cursor when it is such a table: what it is assigned to becomes unknown, with the reason. */
function dataStatement(cursor: TreeCursor): Stmt | undefined {
  if (cursor.nodeType !== "expression_statement") return undefined;
  const node = cursor.currentNode;
  if (node.descendantCount <= MAX_DATA_NODES) return undefined;
  const span = { start: node.startIndex, end: node.endIndex };
  const left = node.firstNamedChild?.childForFieldName("left");
  const head = left ? { start: left.startIndex, end: left.endIndex } : { start: span.start, end: span.start };
  const value: Expr = {
    kind: "Unsupported",
    what: `a literal of more than ${MAX_DATA_NODES / 1000} thousand parts`,
    ...head,
  };
  if (left?.type !== "identifier") return { kind: "Expr", value, ...span };
  return { kind: "Assign", targets: [{ kind: "Name", id: left.text, ...head }], value, ...span };
}

/** Expressions nested deeper than this do not occur in written code, and would overflow our own stack. */
const MAX_NESTING = 400;

class Copier {
  constructor(
    private readonly cursor: TreeCursor,
    private readonly tables: Omit<Grammar, "parser">,
    private readonly hasError: boolean,
    private readonly text: PlacedText,
    private readonly errors: SyntaxProblem[],
  ) {}

  /** The node under the cursor with everything below it; undefined for nodes without meaning. */
  copy(depth = 0): Raw | undefined {
    const { cursor } = this;
    const { types, fields, tokens } = this.tables;
    const id = cursor.nodeTypeId;
    const known = tokens[id];
    if (known !== undefined && !(this.hasError && cursor.nodeIsMissing)) return known ?? undefined;
    const type = id === 0xffff ? "ERROR" : (types[id] ?? cursor.nodeType);
    const start = cursor.startIndex;
    const raw: Raw = {
      type,
      field: fields[cursor.currentFieldId] ?? null,
      start,
      end: cursor.endIndex,
      children: [],
      broken: false,
    };
    if (type === "ERROR") {
      this.report(raw);
      raw.broken = true;
      // Whole classes can hide in an error at the top; inside a statement its content means nothing.
      if (depth > 0) return raw;
    } else if (raw.end === start && cursor.nodeIsMissing) {
      this.errors.push({ start, end: start, message: `Python syntax error: expected "${type}"` });
      raw.broken = true;
      return raw;
    }
    if (depth > MAX_NESTING) {
      this.errors.push({ start, end: raw.end, message: `nested more than ${MAX_NESTING} levels deep, so not read` });
      raw.broken = true;
      return raw;
    }
    if (!LEAVES.has(type) && cursor.gotoFirstChild()) {
      do {
        const child = this.copy(depth + 1);
        if (!child) continue;
        raw.children.push(child);
        if (child.broken && !holdsStatements(child.type) && !holdsStatements(type)) raw.broken = true;
      } while (cursor.gotoNextSibling());
      cursor.gotoParent();
    }
    return raw;
  }

  private report(raw: Raw): void {
    const line = this.text
      .slice(raw.start, Math.min(raw.end, raw.start + 60))
      .split("\n", 1)[0]!
      .trim();
    this.errors.push({
      start: raw.start,
      end: raw.end,
      message: `Python syntax error${line ? ` near "${line.slice(0, 40)}"` : ""}`,
    });
  }
}

/** Punctuation and operators: their type is their text, and nobody asks where they stand. */
const TOKEN = /^(?:[^a-zA-Z_]+|not in|is not|is|in|and|or)$/;

/** By type id, what stands for every node of that type: one token shared by all, or null where nothing is kept. */
function sharedTokens(types: readonly string[]): (Raw | null | undefined)[] {
  return types.map((type) => {
    if (type === "comment" || type === "line_continuation") return null;
    return TOKEN.test(type) ? { type, field: null, start: 0, end: 0, children: [], broken: false } : undefined;
  });
}

const LEAVES = new Set([
  "identifier",
  "integer",
  "float",
  "true",
  "false",
  "none",
  "ellipsis",
  "string_start",
  "string_end",
]);

function holdsStatements(type: string): boolean {
  return type === "block" || type === "module" || type.endsWith("_clause") || type.endsWith("_definition");
}
