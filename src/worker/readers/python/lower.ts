import type {
  Argument,
  BinaryOp,
  ClassStmt,
  CompareOp,
  ComprehensionClause,
  DictEntry,
  ExceptHandler,
  Expr,
  FunctionStmt,
  ImportName,
  MatchCase,
  Param,
  Pattern,
  Stmt,
  SyntaxProblem,
} from "./ast";
import { lowerString, readNumber } from "./literals";
import type { Raw } from "./syntax";
import { PyEllipsis } from "./values";

const ELLIPSIS = new PyEllipsis();

/** Concrete tree to AST. A statement that holds a syntax error becomes `Invalid`; those around it are kept. */
export class Lowering {
  readonly errors: SyntaxProblem[] = [];
  private sawYield = false;

  constructor(private readonly text: string) {}

  textOf(raw: Raw): string {
    return this.text.slice(raw.start, raw.end);
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

  private params(raw: Raw): Param[] {
    const params: Param[] = [];
    let keywordOnly = false;
    for (const child of raw.children) {
      const kind = keywordOnly ? "keywordOnly" : "normal";
      switch (child.type) {
        case "identifier":
          params.push({ name: this.textOf(child), kind });
          break;
        case "default_parameter":
        case "typed_default_parameter":
          params.push({ name: this.textOf(need(child, "name")), kind, default: this.expr(need(child, "value")) });
          break;
        case "typed_parameter":
        case "list_splat_pattern":
        case "dictionary_splat_pattern": {
          const inner = child.type === "typed_parameter" ? meaningful(child)[0]! : child;
          if (inner.type === "list_splat_pattern") {
            params.push({ name: this.textOf(meaningful(inner)[0]!), kind: "star" });
            keywordOnly = true;
          } else if (inner.type === "dictionary_splat_pattern") {
            params.push({ name: this.textOf(meaningful(inner)[0]!), kind: "doubleStar" });
          } else params.push({ name: this.textOf(inner), kind });
          break;
        }
        case "keyword_separator":
          keywordOnly = true;
          break;
        case "positional_separator":
          for (let i = 0; i < params.length; i++) params[i] = { ...params[i]!, kind: "positionalOnly" };
          break;
      }
    }
    return params;
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
      default:
        return { kind: "unsupported", what: raw.type.replaceAll("_", " ") };
    }
  }

  // Expressions

  only(raw: Raw): Expr {
    return this.expr(meaningful(raw)[0]!);
  }

  private optional(raw: Raw): Expr | undefined {
    const child = meaningful(raw)[0];
    return child && this.expr(child);
  }

  private many(raw: Raw): Expr[] {
    return meaningful(raw).map((c) => this.expr(c));
  }

  expr(raw: Raw): Expr {
    const { start, end } = raw;
    const span = { start, end };
    switch (raw.type) {
      case "identifier":
      case "keyword_identifier":
        return { kind: "Name", id: this.textOf(raw), ...span };
      case "integer":
      case "float":
        return { kind: "Constant", value: readNumber(this.textOf(raw)), ...span };
      case "true":
        return { kind: "Constant", value: true, ...span };
      case "false":
        return { kind: "Constant", value: false, ...span };
      case "none":
        return { kind: "Constant", value: null, ...span };
      case "ellipsis":
        return { kind: "Constant", value: ELLIPSIS, ...span };
      case "string":
      case "concatenated_string":
        return lowerString(raw, this.text, (r) => this.expr(r));
      case "parenthesized_expression":
      case "as_pattern_target":
      case "await":
      case "type":
      case "parenthesized_list_splat":
        return this.only(raw);
      case "list":
      case "list_pattern":
        return { kind: "List", items: this.many(raw), ...span };
      case "tuple":
      case "tuple_pattern":
      case "expression_list":
      case "pattern_list":
        return { kind: "Tuple", items: this.many(raw), ...span };
      case "set":
        return { kind: "Set", items: this.many(raw), ...span };
      case "dictionary":
        return { kind: "Dict", entries: meaningful(raw).map((c) => this.dictEntry(c)), ...span };
      case "list_splat":
      case "list_splat_pattern":
        return { kind: "Starred", value: this.only(raw), ...span };
      case "attribute":
        return {
          kind: "Attribute",
          object: this.expr(need(raw, "object")),
          name: this.textOf(need(raw, "attribute")),
          ...span,
        };
      case "dotted_name": {
        const [first, ...rest] = meaningful(raw);
        let value = this.expr(first!);
        for (const r of rest) value = { kind: "Attribute", object: value, name: this.textOf(r), start, end: r.end };
        return value;
      }
      case "subscript":
        return this.subscript(raw);
      case "slice":
        return this.slice(raw);
      case "call":
        return this.call(raw);
      case "binary_operator":
        return {
          kind: "Binary",
          op: operatorOf(raw) as BinaryOp,
          left: this.expr(need(raw, "left")),
          right: this.expr(need(raw, "right")),
          ...span,
        };
      case "unary_operator":
        return {
          kind: "Unary",
          op: operatorOf(raw) as "+" | "-" | "~",
          operand: this.expr(need(raw, "argument")),
          ...span,
        };
      case "not_operator":
        return { kind: "Unary", op: "not", operand: this.expr(need(raw, "argument")), ...span };
      case "boolean_operator":
        return {
          kind: "Bool",
          op: operatorOf(raw) as "and" | "or",
          left: this.expr(need(raw, "left")),
          right: this.expr(need(raw, "right")),
          ...span,
        };
      case "comparison_operator": {
        const ops = raw.children
          .filter((c) => COMPARISONS.has(c.type))
          .map((c) => (c.type === "<>" ? "!=" : c.type) as CompareOp);
        const [left, ...rights] = meaningful(raw).map((c) => this.expr(c));
        return { kind: "Compare", left: left!, ops, rights, ...span };
      }
      case "conditional_expression": {
        const [then, test, otherwise] = this.many(raw);
        return { kind: "Conditional", test: test!, whenTrue: then!, otherwise: otherwise!, ...span };
      }
      case "named_expression":
        return {
          kind: "Walrus",
          name: this.textOf(need(raw, "name")),
          value: this.expr(need(raw, "value")),
          ...span,
        };
      case "lambda": {
        const params = field(raw, "parameters");
        return {
          kind: "Lambda",
          params: params ? this.params(params) : [],
          body: this.expr(need(raw, "body")),
          ...span,
        };
      }
      case "list_comprehension":
      case "set_comprehension":
      case "dictionary_comprehension":
      case "generator_expression":
        return this.comprehension(raw);
      case "yield": {
        this.sawYield = true;
        const from = raw.children.some((c) => c.type === "from");
        return { kind: "Yield", value: this.optional(raw), from, ...span };
      }
      default:
        return { kind: "Unsupported", what: raw.type.replaceAll("_", " "), ...span };
    }
  }

  private dictEntry(raw: Raw): DictEntry {
    if (raw.type === "pair") return { key: this.expr(need(raw, "key")), value: this.expr(need(raw, "value")) };
    return { value: this.only(raw) };
  }

  private subscript(raw: Raw): Expr {
    const { start, end } = raw;
    const items = raw.children.filter((c) => c.field === "subscript").map((c) => this.expr(c));
    const bracket = raw.children.findIndex((c) => c.type === "[");
    // `x[1,]` is a tuple although it has one item.
    const comma = raw.children.slice(bracket).some((c) => c.type === ",");
    const first = items[0]!;
    const index: Expr = comma ? { kind: "Tuple", items, start: first.start, end: items.at(-1)!.end } : first;
    return { kind: "Subscript", object: this.expr(need(raw, "value")), index, start, end };
  }

  private slice(raw: Raw): Expr {
    const parts: (Expr | undefined)[] = [undefined];
    for (const child of raw.children) {
      if (child.type === ":") parts.push(undefined);
      else parts[parts.length - 1] = this.expr(child);
    }
    return { kind: "Slice", lower: parts[0], upper: parts[1], step: parts[2], start: raw.start, end: raw.end };
  }

  private call(raw: Raw): Expr {
    const list = need(raw, "arguments");
    const args: Argument[] =
      list.type === "generator_expression"
        ? [{ type: "positional", value: this.comprehension(list) }]
        : this.args(list);
    return {
      kind: "Call",
      callee: this.expr(need(raw, "function")),
      args,
      simple: args.every((a) => a.type === "positional"),
      start: raw.start,
      end: raw.end,
    };
  }

  private args(raw: Raw): Argument[] {
    return meaningful(raw).map((c): Argument => {
      switch (c.type) {
        case "keyword_argument":
          return { type: "keyword", name: this.textOf(need(c, "name")), value: this.expr(need(c, "value")) };
        case "list_splat":
          return { type: "star", value: this.only(c) };
        case "dictionary_splat":
          return { type: "doubleStar", value: this.only(c) };
        default:
          return { type: "positional", value: this.expr(c) };
      }
    });
  }

  private comprehension(raw: Raw): Expr {
    const body = need(raw, "body");
    const clauses = raw.children.flatMap((c): ComprehensionClause[] => {
      if (c.type === "if_clause") return [{ type: "if", test: this.only(c) }];
      if (c.type !== "for_in_clause") return [];
      const rights = c.children.filter((r) => r.field === "right" && r.type !== ",").map((r) => this.expr(r));
      const iterable: Expr =
        rights.length === 1 ? rights[0]! : { kind: "Tuple", items: rights, start: c.start, end: c.end };
      return [{ type: "for", target: this.expr(need(c, "left")), iterable }];
    });
    const type = COMPREHENSIONS[raw.type]!;
    const pair = body.type === "pair" ? this.dictEntry(body) : { value: this.expr(body) };
    return { kind: "Comprehension", type, ...pair, clauses, start: raw.start, end: raw.end };
  }
}

const COMPREHENSIONS: Record<string, "list" | "set" | "dict" | "generator"> = {
  list_comprehension: "list",
  set_comprehension: "set",
  dictionary_comprehension: "dict",
  generator_expression: "generator",
};

const STATEMENTS = new Set(
  (
    "assert break continue delete exec expression future_import global import_from import nonlocal pass print raise " +
    "return type_alias for if match try while with"
  )
    .split(" ")
    .map((name) => `${name}_statement`)
    .concat("class_definition", "function_definition", "decorated_definition"),
);

function field(raw: Raw, name: string): Raw | undefined {
  return raw.children.find((c) => c.field === name);
}

function need(raw: Raw, name: string): Raw {
  const child = field(raw, name);
  if (!child) throw new Error(`a ${raw.type} without its ${name}`);
  return child;
}

/** The one operator among a node's children. */
function operatorOf(raw: Raw): string {
  const operator = raw.children.find((c) => /^(?:[-+*/%@&|^<>=~]+|and|or)$/.test(c.type));
  if (!operator) throw new Error(`a ${raw.type} without its operator`);
  return operator.type;
}

const COMPARISONS = new Set(["==", "!=", "<>", "<", "<=", ">", ">=", "in", "not in", "is", "is not"]);

const NAMED = /^[a-z_]{2,}$/;
const KEYWORDS = new Set(
  "and as assert async await break class continue def del elif else except exec finally for from global if import in is lambda nonlocal not or pass print raise return try while with yield match case type".split(
    " ",
  ),
);

/** Children that are not punctuation or keywords. */
function meaningful(raw: Raw): Raw[] {
  return raw.children.filter((c) => NAMED.test(c.type) && (!KEYWORDS.has(c.type) || c.children.length > 0));
}
