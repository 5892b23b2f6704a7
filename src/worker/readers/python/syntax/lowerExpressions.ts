import { PyEllipsis } from "../values/values";
import type { Argument, BinaryOp, CompareOp, ComprehensionClause, DictEntry, Expr, Param } from "./ast";
import { lowerString, readNumber } from "./literals";
import { field, meaningful, need, operatorOf, type PlacedText, type Raw } from "./raw";

const ELLIPSIS = new PyEllipsis();

/** Expressions of the concrete tree to those of the AST. */
export class ExpressionLowering {
  protected sawYield = false;

  constructor(private readonly text: PlacedText) {}

  textOf(raw: Raw): string {
    return this.text.slice(raw.start, raw.end);
  }

  only(raw: Raw): Expr {
    return this.expr(meaningful(raw)[0]!);
  }

  protected optional(raw: Raw): Expr | undefined {
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
        return starOutside({
          kind: "Attribute",
          object: this.expr(need(raw, "object")),
          name: this.textOf(need(raw, "attribute")),
          ...span,
        });
      case "dotted_name": {
        const [first, ...rest] = meaningful(raw);
        let value = this.expr(first!);
        for (const r of rest) value = { kind: "Attribute", object: value, name: this.textOf(r), start, end: r.end };
        return value;
      }
      case "subscript":
        return starOutside(this.subscript(raw));
      case "slice":
        return this.slice(raw);
      case "call":
        return starOutside(this.call(raw));
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

  protected args(raw: Raw): Argument[] {
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

  protected params(raw: Raw): Param[] {
    const params: Param[] = [];
    let keywordOnly = false;
    for (const child of raw.children) {
      const kind = keywordOnly ? "keywordOnly" : "normal";
      const type = child.children.find((c) => c.field === "type");
      const annotation = type && { annotation: this.textOf(type) };
      switch (child.type) {
        case "identifier":
          params.push({ name: this.textOf(child), kind });
          break;
        case "default_parameter":
        case "typed_default_parameter":
          params.push({
            name: this.textOf(need(child, "name")),
            kind,
            default: this.expr(need(child, "value")),
            ...annotation,
          });
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
          } else params.push({ name: this.textOf(inner), kind, ...annotation });
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
}

const COMPREHENSIONS: Record<string, "list" | "set" | "dict" | "generator"> = {
  list_comprehension: "list",
  set_comprehension: "set",
  dictionary_comprehension: "dict",
  generator_expression: "generator",
};

const COMPARISONS = new Set(["==", "!=", "<>", "<", "<=", ">", ">=", "in", "not in", "is", "is not"]);

/** The grammar reads `*x.shape, n` without parentheses as `(*x).shape, n`: the star belongs to all of it. */
function starOutside(expr: Expr): Expr {
  const { start, end } = expr;
  if (expr.kind === "Call" && expr.callee.kind === "Starred") {
    return { kind: "Starred", value: { ...expr, callee: expr.callee.value }, start, end };
  }
  if ((expr.kind === "Attribute" || expr.kind === "Subscript") && expr.object.kind === "Starred") {
    return { kind: "Starred", value: { ...expr, object: expr.object.value }, start, end };
  }
  return expr;
}
