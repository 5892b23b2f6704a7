import type {
  BinaryOp,
  ClassStmt,
  ExceptHandler,
  Expr,
  FunctionStmt,
  ImportName,
  MatchCase,
  Param,
  Pattern,
  Span,
  Stmt,
  SyntaxProblem,
} from "./ast";
import { readNumber } from "./literals";
import { ExpressionLowering } from "./lowerExpressions";
import { field, meaningful, need, operatorOf, type PlacedText, type Raw } from "./raw";

/** Concrete tree to AST. A statement that holds a syntax error becomes `Invalid`; those around it are kept. */
export class Lowering extends ExpressionLowering {
  readonly errors: SyntaxProblem[] = [];

  constructor(
    text: PlacedText,
    /** By where their names begin, functions whose bodies the tree lacks, to be parsed when somebody asks for them. */
    private readonly leftOut: ReadonlyMap<number, () => Stmt | undefined> = new Map(),
  ) {
    super(text);
  }

  // Statements

  statement(raw: Raw): Stmt[] {
    const { start, end } = raw;
    switch (raw.type) {
      case "ERROR":
        return raw.children.flatMap((c) => (STATEMENTS.has(c.type) ? this.statement(c) : []));
      case "function_definition":
        return [this.functionDefinition(raw, [])];
      case "class_definition":
        return [this.classDefinition(raw, [])];
      case "decorated_definition": {
        const decorators = raw.children.filter((c) => c.type === "decorator" && !c.broken).map((c) => this.only(c));
        const inner = field(raw, "definition");
        if (!inner) return [{ kind: "Invalid", start, end }];
        return [
          inner.type === "class_definition"
            ? this.classDefinition(inner, decorators)
            : this.functionDefinition(inner, decorators),
        ];
      }
      case ";":
      case "block":
        return raw.children.flatMap((c) => this.statement(c));
    }
    if (!STATEMENTS.has(raw.type)) return [];
    if (raw.broken) return [{ kind: "Invalid", start, end }];
    return this.sound(raw);
  }

  private sound(raw: Raw): Stmt[] {
    const { start, end } = raw;
    const span = { start, end };
    switch (raw.type) {
      case "expression_statement":
        return [this.expressionStatement(raw)];
      case "return_statement":
        return [{ kind: "Return", value: this.optional(raw), ...span }];
      case "if_statement":
        return [this.ifStatement(raw)];
      case "for_statement":
        return [
          {
            kind: "For",
            target: this.expr(need(raw, "left")),
            iterable: this.expr(need(raw, "right")),
            body: this.block(need(raw, "body")),
            otherwise: this.elseOf(raw),
            ...span,
          },
        ];
      case "while_statement":
        return [
          {
            kind: "While",
            test: this.expr(need(raw, "condition")),
            body: this.block(need(raw, "body")),
            otherwise: this.elseOf(raw),
            ...span,
          },
        ];
      case "with_statement": {
        const clause = raw.children.find((c) => c.type === "with_clause")!;
        const items = clause.children
          .filter((c) => c.type === "with_item")
          .map((item) => {
            const value = need(item, "value");
            if (value.type !== "as_pattern") return { value: this.expr(value) };
            const [context, target] = meaningful(value);
            return { value: this.expr(context!), target: target && this.only(target) };
          });
        return [{ kind: "With", items, body: this.block(need(raw, "body")), ...span }];
      }
      case "try_statement":
        return [this.tryStatement(raw)];
      case "raise_statement": {
        const value = meaningful(raw)[0];
        return [{ kind: "Raise", value: value && value.field !== "cause" ? this.expr(value) : undefined, ...span }];
      }
      case "assert_statement": {
        const [test, message] = meaningful(raw);
        return [{ kind: "Assert", test: this.expr(test!), message: message && this.expr(message), ...span }];
      }
      case "import_statement":
        return [{ kind: "Import", names: this.importNames(raw), ...span }];
      case "import_from_statement":
        return [
          {
            kind: "ImportFrom",
            module: this.textOf(need(raw, "module_name")),
            names: this.importNames(raw),
            wildcard: raw.children.some((c) => c.type === "wildcard_import"),
            ...span,
          },
        ];
      case "global_statement":
      case "nonlocal_statement":
        return [
          {
            kind: raw.type === "global_statement" ? "Global" : "Nonlocal",
            names: raw.children.filter((c) => c.type === "identifier").map((c) => this.textOf(c)),
            ...span,
          },
        ];
      case "delete_statement": {
        const target = meaningful(raw)[0]!;
        const targets = target.type === "expression_list" ? meaningful(target) : [target];
        return [{ kind: "Delete", targets: targets.map((t) => this.expr(t)), ...span }];
      }
      case "pass_statement":
      case "future_import_statement":
      case "type_alias_statement":
        return [{ kind: "Pass", ...span }];
      case "break_statement":
        return [{ kind: "Break", ...span }];
      case "continue_statement":
        return [{ kind: "Continue", ...span }];
      case "match_statement":
        return [this.matchStatement(raw)];
      case "print_statement":
      case "exec_statement":
        return [{ kind: "Unsupported", what: `Python 2's ${raw.type.slice(0, -10)} statement`, ...span }];
      default:
        return [{ kind: "Unsupported", what: raw.type.replaceAll("_", " "), ...span }];
    }
  }

  block(raw: Raw): Stmt[] {
    return raw.children.flatMap((c) => this.statement(c));
  }

  private elseOf(raw: Raw): Stmt[] {
    const clause = raw.children.find((c) => c.type === "else_clause");
    return clause ? this.block(need(clause, "body")) : [];
  }

  private ifStatement(raw: Raw): Stmt {
    const clauses = raw.children.filter((c) => c.field === "alternative");
    let otherwise: Stmt[] = [];
    for (const clause of clauses.reverse()) {
      if (clause.type === "else_clause") otherwise = this.block(need(clause, "body"));
      else if (clause.broken) otherwise = [{ kind: "Invalid", start: clause.start, end: clause.end }];
      else {
        otherwise = [
          {
            kind: "If",
            test: this.expr(need(clause, "condition")),
            body: this.block(need(clause, "consequence")),
            otherwise,
            start: clause.start,
            end: clause.end,
          },
        ];
      }
    }
    return {
      kind: "If",
      test: this.expr(need(raw, "condition")),
      body: this.block(need(raw, "consequence")),
      otherwise,
      start: raw.start,
      end: raw.end,
    };
  }

  private tryStatement(raw: Raw): Stmt {
    const handlers = raw.children
      .filter((c) => c.type === "except_clause" && !c.broken)
      .map((c): ExceptHandler => {
        const value = field(c, "value");
        const body = this.block(c.children.find((b) => b.type === "block")!);
        if (!value) return { body };
        const alias = field(c, "alias");
        if (value.type !== "as_pattern") {
          return { type: this.expr(value), name: alias && this.textOf(alias), body };
        }
        const [type, target] = meaningful(value);
        return { type: this.expr(type!), name: target && this.textOf(target), body };
      });
    const finalizer = raw.children.find((c) => c.type === "finally_clause");
    return {
      kind: "Try",
      body: this.block(need(raw, "body")),
      handlers,
      otherwise: this.elseOf(raw),
      finalizer: finalizer ? this.block(finalizer.children.find((b) => b.type === "block")!) : [],
      start: raw.start,
      end: raw.end,
    };
  }

  private expressionStatement(raw: Raw): Stmt {
    const { start, end } = raw;
    const children = meaningful(raw);
    const first = children[0]!;
    if (children.length > 1) {
      const items = children.map((c) => this.expr(c));
      return { kind: "Expr", value: { kind: "Tuple", items, start, end }, start, end };
    }
    if (first.type === "assignment") {
      const type = field(first, "type");
      const right = field(first, "right");
      const left = this.expr(need(first, "left"));
      if (type) {
        const annotation = this.textOf(type);
        return { kind: "AnnAssign", target: left, annotation, value: right && this.expr(right), start, end };
      }
      const targets = [left];
      let value = right!;
      while (value.type === "assignment") {
        targets.push(this.expr(need(value, "left")));
        value = need(value, "right");
      }
      return { kind: "Assign", targets, value: this.expr(value), start, end };
    }
    if (first.type === "augmented_assignment") {
      return {
        kind: "AugAssign",
        target: this.expr(need(first, "left")),
        op: operatorOf(first).slice(0, -1) as BinaryOp,
        value: this.expr(need(first, "right")),
        start,
        end,
      };
    }
    return { kind: "Expr", value: this.expr(first), start, end };
  }

  private functionDefinition(raw: Raw, decorators: Expr[]): Stmt {
    const { start, end } = raw;
    const name = field(raw, "name");
    const params = field(raw, "parameters");
    const body = field(raw, "body");
    if (!name || !params || !body || params.broken) return { kind: "Invalid", start, end };
    const whole = this.leftOut.get(name.start);
    if (whole) {
      const nameSpan = { start: name.start, end: name.end };
      return new LaterFunction(this.textOf(name), nameSpan, this.params(params), decorators, start, end, whole);
    }
    const outer = this.sawYield;
    this.sawYield = false;
    const statements = this.block(body);
    const generator = this.sawYield;
    this.sawYield = outer;
    return {
      kind: "Function",
      name: this.textOf(name),
      nameSpan: { start: name.start, end: name.end },
      params: this.params(params),
      body: statements,
      decorators,
      generator,
      start,
      end,
    } satisfies FunctionStmt;
  }

  private classDefinition(raw: Raw, decorators: Expr[]): Stmt {
    const { start, end } = raw;
    const name = field(raw, "name");
    const body = field(raw, "body");
    const bases = field(raw, "superclasses");
    if (!name || !body || bases?.broken) return { kind: "Invalid", start, end };
    return {
      kind: "Class",
      name: this.textOf(name),
      nameSpan: { start: name.start, end: name.end },
      bases: bases ? this.args(bases) : [],
      body: this.block(body),
      decorators,
      start,
      end,
    } satisfies ClassStmt;
  }

  private importNames(raw: Raw): ImportName[] {
    return raw.children
      .filter((c) => c.field === "name")
      .map((c) =>
        c.type === "aliased_import"
          ? { name: this.textOf(need(c, "name")), alias: this.textOf(need(c, "alias")) }
          : { name: this.textOf(c) },
      );
  }

  // Match

  private matchStatement(raw: Raw): Stmt {
    const subjects = raw.children.filter((c) => c.field === "subject").map((c) => this.expr(c));
    const { start, end } = raw;
    const cases = need(raw, "body")
      .children.filter((c) => c.type === "case_clause" && !c.broken)
      .map((clause): MatchCase => {
        const guard = field(clause, "guard");
        const patterns = clause.children.filter((c) => c.type === "case_pattern").map((c) => this.pattern(c));
        return {
          pattern: patterns.length === 1 ? patterns[0]! : { kind: "sequence", items: patterns },
          guard: guard && this.only(guard),
          body: this.block(need(clause, "consequence")),
        };
      });
    const subject: Expr = subjects.length === 1 ? subjects[0]! : { kind: "Tuple", items: subjects, start, end };
    return { kind: "Match", subject, cases, start, end };
  }

  private pattern(raw: Raw): Pattern {
    const text = this.textOf(raw);
    switch (raw.type) {
      case "case_pattern": {
        if (text === "_") return { kind: "wildcard" };
        if (raw.children.length === 1) return this.pattern(raw.children[0]!);
        return { kind: "value", value: { kind: "Constant", value: readNumber(text), start: raw.start, end: raw.end } };
      }
      case "_":
        return { kind: "wildcard" };
      case "dotted_name": {
        const names = meaningful(raw);
        if (names.length === 1) return text === "_" ? { kind: "wildcard" } : { kind: "capture", name: text };
        return { kind: "value", value: this.expr(raw) };
      }
      case "union_pattern":
        return { kind: "or", options: meaningful(raw).map((c) => this.pattern(c)) };
      case "list_pattern":
      case "tuple_pattern":
        return { kind: "sequence", items: meaningful(raw).map((c) => this.pattern(c)) };
      case "as_pattern": {
        const [inner, name] = meaningful(raw);
        return { kind: "as", pattern: this.pattern(inner!), name: this.textOf(name!) };
      }
      case "string":
      case "concatenated_string":
      case "integer":
      case "float":
      case "true":
      case "false":
      case "none":
        return { kind: "value", value: this.expr(raw) };
      case "splat_pattern": {
        const name = meaningful(raw)[0];
        const text = name && this.textOf(name);
        return { kind: "star", name: text === "_" ? undefined : text };
      }
      case "dict_pattern":
        return this.mappingPattern(raw);
      case "class_pattern":
        return this.classPattern(raw);
      default:
        return { kind: "unsupported", what: raw.type.replaceAll("_", " ") };
    }
  }

  private mappingPattern(raw: Raw): Pattern {
    const entries: { key: Expr; pattern: Pattern }[] = [];
    let rest: string | undefined;
    let key: Expr | undefined;
    for (const child of meaningful(raw)) {
      if (child.field === "key") {
        const lowered = this.pattern(child);
        key = lowered.kind === "value" ? lowered.value : this.expr(child);
      } else if (child.type === "splat_pattern") {
        const name = meaningful(child)[0];
        rest = name && this.textOf(name);
      } else if (key) {
        entries.push({ key, pattern: this.pattern(child) });
        key = undefined;
      }
    }
    return { kind: "mapping", entries, rest };
  }

  private classPattern(raw: Raw): Pattern {
    const [type, ...args] = meaningful(raw);
    const positional: Pattern[] = [];
    const named: { name: string; pattern: Pattern }[] = [];
    for (const arg of args) {
      const inner = arg.type === "case_pattern" ? arg.children[0] : arg;
      if (inner?.type === "keyword_pattern") {
        const [name, value] = meaningful(inner);
        named.push({ name: this.textOf(name!), pattern: this.pattern(value!) });
      } else positional.push(this.pattern(arg));
    }
    return { kind: "class", type: this.expr(type!), positional, named };
  }
}

const STATEMENTS = new Set(
  (
    "assert break continue delete exec expression future_import global import_from import nonlocal pass print raise " +
    "return type_alias for if match try while with"
  )
    .split(" ")
    .map((name) => `${name}_statement`)
    .concat("class_definition", "function_definition", "decorated_definition"),
);

/** A function whose body is parsed when it is asked for. */
class LaterFunction implements FunctionStmt {
  readonly kind = "Function";
  private parsed: Pick<FunctionStmt, "body" | "generator"> | undefined;

  constructor(
    readonly name: string,
    readonly nameSpan: Span,
    readonly params: readonly Param[],
    readonly decorators: readonly Expr[],
    readonly start: number,
    readonly end: number,
    private readonly whole: () => Stmt | undefined,
  ) {}

  get body(): readonly Stmt[] {
    return this.now.body;
  }

  get generator(): boolean {
    return this.now.generator;
  }

  private get now() {
    if (!this.parsed) {
      const { start, end } = this;
      const statement = this.whole();
      this.parsed =
        statement?.kind === "Function" ? statement : { body: [{ kind: "Invalid", start, end }], generator: false };
    }
    return this.parsed;
  }
}
