import type { Value } from "../values/values";

/**
 * Python's syntax, close to its own `ast` module. `start` and `end` are offsets in UTF-16 units into the source text, or
 * from the base of the piece of it that they stand in; they are in the text's order. `Source.place` turns them into lines
 * and columns only when somebody asks.
 */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export type BinaryOp = "+" | "-" | "*" | "/" | "//" | "%" | "**" | "@" | "&" | "|" | "^" | "<<" | ">>";
export type UnaryOp = "+" | "-" | "~" | "not";
export type CompareOp = "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in" | "is" | "is not";

export type Expr = Span &
  (
    | { readonly kind: "Name"; readonly id: string }
    | { readonly kind: "Constant"; readonly value: Value }
    | { readonly kind: "FString"; readonly parts: readonly (string | FormattedPart)[] }
    | { readonly kind: "List" | "Tuple" | "Set"; readonly items: readonly Expr[] }
    | { readonly kind: "Dict"; readonly entries: readonly DictEntry[] }
    | { readonly kind: "Attribute"; readonly object: Expr; readonly name: string }
    | { readonly kind: "Subscript"; readonly object: Expr; readonly index: Expr }
    | { readonly kind: "Slice"; readonly lower?: Expr; readonly upper?: Expr; readonly step?: Expr }
    | CallExpr
    | { readonly kind: "Binary"; readonly op: BinaryOp; readonly left: Expr; readonly right: Expr }
    | { readonly kind: "Unary"; readonly op: UnaryOp; readonly operand: Expr }
    | { readonly kind: "Bool"; readonly op: "and" | "or"; readonly left: Expr; readonly right: Expr }
    | {
        readonly kind: "Compare";
        readonly left: Expr;
        readonly ops: readonly CompareOp[];
        readonly rights: readonly Expr[];
      }
    | { readonly kind: "Conditional"; readonly test: Expr; readonly whenTrue: Expr; readonly otherwise: Expr }
    | LambdaExpr
    | ComprehensionExpr
    | { readonly kind: "Starred"; readonly value: Expr }
    | { readonly kind: "Walrus"; readonly name: string; readonly value: Expr }
    | { readonly kind: "Yield"; readonly value?: Expr; readonly from: boolean }
    | { readonly kind: "Unsupported"; readonly what: string }
  );

export type CallExpr = Span & {
  readonly kind: "Call";
  readonly callee: Expr;
  readonly args: readonly Argument[];
  /** Every argument is positional and none is starred: the common case, evaluated without further tests. */
  readonly simple: boolean;
};
export type LambdaExpr = Span & { readonly kind: "Lambda"; readonly params: readonly Param[]; readonly body: Expr };
export type ComprehensionExpr = Span & {
  readonly kind: "Comprehension";
  readonly type: "list" | "set" | "dict" | "generator";
  readonly key?: Expr;
  readonly value: Expr;
  readonly clauses: readonly ComprehensionClause[];
};
export type ComprehensionClause =
  | { readonly type: "for"; readonly target: Expr; readonly iterable: Expr }
  | { readonly type: "if"; readonly test: Expr };

export interface FormattedPart {
  readonly value: Expr;
  /** The expression's own text, printed before the value when the part ends in `=`. */
  readonly selfText?: string;
  readonly conversion?: string;
  readonly format: readonly (string | FormattedPart)[];
}
/** Without a key: `**mapping`. */
export interface DictEntry {
  readonly key?: Expr;
  readonly value: Expr;
}
export interface Argument {
  readonly type: "positional" | "keyword" | "star" | "doubleStar";
  readonly name?: string;
  readonly value: Expr;
}

export interface Param {
  readonly name: string;
  readonly kind: "positionalOnly" | "normal" | "keywordOnly" | "star" | "doubleStar";
  readonly default?: Expr;
  /** As written; annotations are not evaluated. */
  readonly annotation?: string;
}

export type Stmt = Span &
  (
    | { readonly kind: "Expr"; readonly value: Expr }
    | { readonly kind: "Assign"; readonly targets: readonly Expr[]; readonly value: Expr }
    | { readonly kind: "AnnAssign"; readonly target: Expr; readonly annotation: string; readonly value?: Expr }
    | { readonly kind: "AugAssign"; readonly target: Expr; readonly op: BinaryOp; readonly value: Expr }
    | { readonly kind: "Return"; readonly value?: Expr }
    | IfStmt
    | {
        readonly kind: "For";
        readonly target: Expr;
        readonly iterable: Expr;
        readonly body: readonly Stmt[];
        readonly otherwise: readonly Stmt[];
      }
    | {
        readonly kind: "While";
        readonly test: Expr;
        readonly body: readonly Stmt[];
        readonly otherwise: readonly Stmt[];
      }
    | {
        readonly kind: "With";
        readonly items: readonly { readonly value: Expr; readonly target?: Expr }[];
        readonly body: readonly Stmt[];
      }
    | TryStmt
    | { readonly kind: "Raise"; readonly value?: Expr }
    | { readonly kind: "Assert"; readonly test: Expr; readonly message?: Expr }
    | FunctionStmt
    | ClassStmt
    | { readonly kind: "Import"; readonly names: readonly ImportName[] }
    | {
        readonly kind: "ImportFrom";
        readonly module: string;
        readonly names: readonly ImportName[];
        readonly wildcard: boolean;
      }
    | { readonly kind: "Global" | "Nonlocal"; readonly names: readonly string[] }
    | { readonly kind: "Delete"; readonly targets: readonly Expr[] }
    | { readonly kind: "Pass" | "Break" | "Continue" }
    | { readonly kind: "Match"; readonly subject: Expr; readonly cases: readonly MatchCase[] }
    | { readonly kind: "Unsupported"; readonly what: string }
    /** Holds a syntax error, which is reported apart; what it would have assigned is unknown. */
    | { readonly kind: "Invalid" }
  );

export type IfStmt = Span & {
  readonly kind: "If";
  readonly test: Expr;
  readonly body: readonly Stmt[];
  readonly otherwise: readonly Stmt[];
};
export type TryStmt = Span & {
  readonly kind: "Try";
  readonly body: readonly Stmt[];
  readonly handlers: readonly ExceptHandler[];
  readonly otherwise: readonly Stmt[];
  readonly finalizer: readonly Stmt[];
};
export interface ExceptHandler {
  readonly type?: Expr;
  readonly name?: string;
  readonly body: readonly Stmt[];
}
export type FunctionStmt = Span & {
  readonly kind: "Function";
  readonly name: string;
  readonly nameSpan: Span;
  readonly params: readonly Param[];
  readonly body: readonly Stmt[];
  readonly decorators: readonly Expr[];
  readonly generator: boolean;
};
export type ClassStmt = Span & {
  readonly kind: "Class";
  readonly name: string;
  readonly nameSpan: Span;
  readonly bases: readonly Argument[];
  readonly body: readonly Stmt[];
  readonly decorators: readonly Expr[];
};
export interface ImportName {
  readonly name: string;
  readonly alias?: string;
}

export interface MatchCase {
  readonly pattern: Pattern;
  readonly guard?: Expr;
  readonly body: readonly Stmt[];
}
export type Pattern =
  | { readonly kind: "wildcard" }
  | { readonly kind: "capture"; readonly name: string }
  | { readonly kind: "value"; readonly value: Expr }
  | { readonly kind: "or"; readonly options: readonly Pattern[] }
  | { readonly kind: "sequence"; readonly items: readonly Pattern[] }
  /** `*name` in a sequence; without a name, `*_`. */
  | { readonly kind: "star"; readonly name?: string }
  | {
      readonly kind: "mapping";
      readonly entries: readonly { readonly key: Expr; readonly pattern: Pattern }[];
      readonly rest?: string;
    }
  | {
      readonly kind: "class";
      readonly type: Expr;
      readonly positional: readonly Pattern[];
      readonly named: readonly { readonly name: string; readonly pattern: Pattern }[];
    }
  | { readonly kind: "as"; readonly pattern: Pattern; readonly name: string }
  | { readonly kind: "unsupported"; readonly what: string };

export interface SyntaxProblem extends Span {
  readonly message: string;
}

/** Where the spans from `base` on stand in the text. */
export interface PlacedPiece {
  readonly base: number;
  readonly start: number;
  readonly length: number;
}

export interface Module {
  readonly body: readonly Stmt[];
  readonly errors: readonly SyntaxProblem[];
  /** Where the spans stand in the text, when they do not count from its beginning. */
  readonly pieces?: readonly PlacedPiece[];
}
