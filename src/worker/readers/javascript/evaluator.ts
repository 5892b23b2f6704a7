import type { Node as SyntaxNode } from "web-tree-sitter";
import { evaluate } from "./expressions";
import {
  type Evaluator,
  JsFunction,
  JsObject,
  type JsValue,
  joined,
  LibraryName,
  ModelValue,
  Scope,
  Unknown,
} from "./values";

/** Evaluates as much of a program as its layers' arguments need. Nothing is run: there is no I/O and no library. */

/** A file with more to evaluate is no model definition; each step is an expression or a statement. */
const MAX_STEPS = 300_000;
const MAX_DEPTH = 60;

export class LimitReached extends Error {
  override readonly name = "LimitReached";
}

/** How a statement ended other than by reaching its end. */
type Completion = { readonly kind: "return"; readonly value: JsValue } | { readonly kind: "break" | "continue" };

const LIBRARY = /^@tensorflow\/tfjs(?:-|$)/;

export class JavaScriptEvaluator implements Evaluator {
  /** Every model that was made, in order; a place that makes several is listed for each. */
  readonly models: ModelValue[] = [];
  /** Counts layers and models by class, as TensorFlow.js does to name them. */
  counts = new Map<string, number>();
  /** Why it is not known whether what is evaluated now would run. */
  uncertain: string | undefined;
  order = 0;
  private steps = 0;
  private depth = 0;
  private readonly functions: JsFunction[] = [];
  private readonly called = new Set<number>();
  private readonly names: string[] = [];

  constructor(private readonly cancelled: () => boolean) {}

  /** Evaluates the file's top level, then each function that nothing called, with parameters unknown. */
  program(root: SyntaxNode): void {
    const scope = new Scope();
    this.block(root.namedChildren, scope);
    const top = new Map(this.counts);
    // Functions that others of the file call are best evaluated by those calls.
    const isInner = (fn: JsFunction) => {
      const name = functionName(fn.node);
      return name !== undefined && new RegExp(`(?<!function\\s+)\\b${name}\\s*\\(`).test(root.text);
    };
    for (const inner of [false, true]) {
      for (let i = 0; i < this.functions.length; i++) {
        const fn = this.functions[i]!;
        if (this.called.has(fn.node.id) || isInner(fn) !== inner) continue;
        this.counts = new Map(top);
        this.call(fn, undefined);
      }
    }
  }

  step(): void {
    if (++this.steps > MAX_STEPS)
      throw new LimitReached("evaluating this file takes more steps than a model definition needs");
    if (this.steps % 1024 === 0 && this.cancelled()) throw new LimitReached("reading was cancelled");
  }

  /** The function or variable that models made now are known by. */
  get owner(): string | undefined {
    return this.names.at(-1);
  }

  function(node: SyntaxNode, scope: Scope): JsFunction {
    const fn = new JsFunction(node, scope);
    this.functions.push(fn);
    return fn;
  }

  /** Without `args`, parameters without a default are unknown. */
  call(fn: JsFunction, args: readonly JsValue[] | undefined): JsValue {
    const { node } = fn;
    if (this.depth >= MAX_DEPTH) return new Unknown(`calls nested more than ${MAX_DEPTH} deep are not followed`);
    this.called.add(node.id);
    const scope = new Scope(fn.scope);
    const name = functionName(node);
    this.depth++;
    if (name !== undefined) this.names.push(name);
    // Whether it is called may not be known; what it does when it is called is.
    const before = this.uncertain;
    this.uncertain = undefined;
    try {
      this.parameters(node, scope, args, name ?? "this function");
      const body = node.childForFieldName("body");
      if (!body) return undefined;
      if (body.type !== "statement_block") return evaluate(this, body, scope);
      const completion = this.block(body.namedChildren, scope);
      return completion?.kind === "return" ? completion.value : undefined;
    } finally {
      this.depth--;
      this.uncertain = before;
      if (name !== undefined) this.names.pop();
    }
  }

  private parameters(node: SyntaxNode, scope: Scope, args: readonly JsValue[] | undefined, name: string): void {
    const single = node.childForFieldName("parameter");
    const list = single ? [single] : (node.childForFieldName("parameters")?.namedChildren ?? []);
    list.forEach((parameter, i) => {
      const pattern = parameter.childForFieldName("pattern") ?? parameter;
      const fallback = parameter.childForFieldName("value");
      let value: JsValue = new Unknown(`nothing in this file gives ${name} its parameter ${pattern.text.slice(0, 40)}`);
      if (args && i < args.length && args[i] !== undefined) value = args[i];
      else if (fallback) value = evaluate(this, fallback, scope);
      else if (args && parameter.type === "optional_parameter") value = undefined;
      this.bind(pattern, value, scope);
    });
  }

  /** Declares the names of a pattern. */
  bind(pattern: SyntaxNode, value: JsValue, scope: Scope): void {
    switch (pattern.type) {
      case "identifier":
      case "shorthand_property_identifier_pattern":
        scope.declare(pattern.text, value);
        return;
      case "object_pattern":
        for (const part of pattern.namedChildren) this.bindField(part, value, scope);
        return;
      case "array_pattern":
        for (const [i, part] of pattern.namedChildren.entries())
          this.bind(part, Array.isArray(value) ? value[i] : unknownPart(value, part), scope);
        return;
      case "rest_pattern":
        this.bind(pattern.namedChildren[0]!, new Unknown("rest parameters are not followed"), scope);
    }
  }

  private bindField(part: SyntaxNode, value: JsValue, scope: Scope): void {
    const key = part.childForFieldName("key") ?? part.childForFieldName("left") ?? part;
    const target = part.childForFieldName("value") ?? key;
    const fallback = part.type === "object_assignment_pattern" ? part.childForFieldName("right") : undefined;
    let field: JsValue = unknownPart(value, key);
    if (value instanceof LibraryName) field = new LibraryName(joined(value.path, key.text));
    else if (value instanceof JsObject) field = value.fields.get(key.text);
    if (field === undefined && fallback) field = evaluate(this, fallback, scope);
    this.bind(part.type === "object_assignment_pattern" ? key : target, field, scope);
  }

  private block(statements: readonly SyntaxNode[], scope: Scope): Completion | undefined {
    for (const statement of statements) this.hoist(statement, scope);
    for (const statement of statements) {
      const completion = this.statement(statement, scope);
      if (completion) return completion;
    }
    return undefined;
  }

  private hoist(statement: SyntaxNode, scope: Scope): void {
    const inner = statement.type === "export_statement" ? statement.childForFieldName("declaration") : statement;
    if (inner?.type !== "function_declaration" && inner?.type !== "generator_function_declaration") return;
    const name = inner.childForFieldName("name");
    if (name) scope.declare(name.text, this.function(inner, scope));
  }

  private statement(node: SyntaxNode, scope: Scope): Completion | undefined {
    this.step();
    switch (node.type) {
      case "import_statement":
        this.import(node, scope);
        return undefined;
      case "export_statement": {
        const inner = node.childForFieldName("declaration") ?? node.childForFieldName("value");
        return inner ? this.statement(inner, scope) : undefined;
      }
      case "lexical_declaration":
      case "variable_declaration":
        for (const declarator of node.namedChildren) this.declarator(declarator, scope);
        return undefined;
      case "class_declaration":
      case "abstract_class_declaration":
        this.classMethods(node, scope);
        return undefined;
      case "statement_block":
        return this.block(node.namedChildren, new Scope(scope));
      case "if_statement":
        return this.conditional(node, scope);
      case "for_statement":
      case "while_statement":
        return this.loop(node, new Scope(scope));
      case "for_in_statement":
        return this.forEach(node, scope);
      case "try_statement":
        return this.statement(node.childForFieldName("body")!, scope);
      case "switch_statement":
        this.perhaps("the case of a switch is not known", () => {
          for (const part of node.childForFieldName("body")?.namedChildren ?? [])
            for (const inner of part.namedChildren)
              if (inner.id !== part.childForFieldName("value")?.id) this.statement(inner, scope);
        });
        return undefined;
      case "return_statement": {
        const value = node.namedChildren[0] && evaluate(this, node.namedChildren[0], scope);
        return this.uncertain === undefined ? { kind: "return", value } : undefined;
      }
      case "break_statement":
      case "continue_statement":
        return this.uncertain === undefined
          ? { kind: node.type === "break_statement" ? "break" : "continue" }
          : undefined;
      case "expression_statement":
        if (node.namedChildren[0]) evaluate(this, node.namedChildren[0], scope);
        return undefined;
      default:
        if (/expression|arrow_function|identifier/.test(node.type)) evaluate(this, node, scope);
        return undefined;
    }
  }

  private declarator(node: SyntaxNode, scope: Scope): void {
    const pattern = node.childForFieldName("name");
    const init = node.childForFieldName("value");
    if (!pattern) return;
    const value = init ? evaluate(this, init, scope) : undefined;
    if (value instanceof ModelValue && pattern.type === "identifier") value.variable ??= pattern.text;
    this.bind(pattern, value, scope);
  }

  private import(node: SyntaxNode, scope: Scope): void {
    const source = node.childForFieldName("source")?.text.slice(1, -1) ?? "";
    const isLibrary = LIBRARY.test(source);
    const declare = (name: string, path: string) =>
      scope.declare(name, isLibrary ? new LibraryName(path) : new Unknown(`the import of ${source} is not followed`));
    for (const part of node.descendantsOfType(["namespace_import", "import_specifier"])) {
      const name = part.childForFieldName("name")?.text;
      if (name === undefined) declare(part.namedChildren[0]!.text, "");
      else declare(part.childForFieldName("alias")?.text ?? name, name);
    }
    const clause = node.namedChildren.find((child) => child.type === "import_clause");
    const whole = clause?.namedChildren.find((child) => child.type === "identifier");
    if (whole) declare(whole.text, "");
  }

  /** The methods share one `this`, which the constructor fills when it is evaluated first. */
  private classMethods(node: SyntaxNode, scope: Scope): void {
    const own = new Scope(scope);
    own.declare("this", new JsObject());
    const methods = (node.childForFieldName("body")?.namedChildren ?? []).filter((m) => m.type === "method_definition");
    methods.sort((a, b) => Number(functionName(b) === "constructor") - Number(functionName(a) === "constructor"));
    for (const method of methods) this.function(method, own);
  }

  private conditional(node: SyntaxNode, scope: Scope): Completion | undefined {
    const condition = evaluate(this, node.childForFieldName("condition")!, scope);
    const yes = node.childForFieldName("consequence");
    const no = node.childForFieldName("alternative")?.namedChildren[0];
    if (condition instanceof Unknown) {
      this.perhaps(`it depends on a condition that is not known: ${condition.reason}`, () => {
        for (const branch of [yes, no]) if (branch) this.statement(branch, scope);
      });
      return undefined;
    }
    const branch = condition ? yes : no;
    return branch ? this.statement(branch, scope) : undefined;
  }

  private loop(node: SyntaxNode, scope: Scope): Completion | undefined {
    const initializer = node.childForFieldName("initializer");
    if (initializer) this.statement(initializer, scope);
    const condition = node.childForFieldName("condition");
    const increment = node.childForFieldName("increment");
    const body = node.childForFieldName("body")!;
    for (;;) {
      this.step();
      const test = condition
        ? evaluate(this, condition.type === "expression_statement" ? condition.namedChildren[0]! : condition, scope)
        : true;
      if (test instanceof Unknown) {
        this.perhaps(
          `it depends on a loop whose end is not known: ${test.reason}`,
          () => void this.statement(body, scope),
        );
        return undefined;
      }
      if (!test) return undefined;
      const completion = this.statement(body, scope);
      if (completion?.kind === "return") return completion;
      if (completion?.kind === "break") return undefined;
      if (increment) evaluate(this, increment, scope);
    }
  }

  private forEach(node: SyntaxNode, scope: Scope): Completion | undefined {
    const over = evaluate(this, node.childForFieldName("right")!, scope);
    const left = node.childForFieldName("left")!;
    const body = node.childForFieldName("body")!;
    if (!Array.isArray(over) || node.childForFieldName("operator")?.text !== "of") {
      const own = new Scope(scope);
      this.bind(left, new Unknown("the values that a loop runs over are not known"), own);
      this.perhaps("it depends on a loop over unknown values", () => void this.statement(body, own));
      return undefined;
    }
    for (const value of [...over]) {
      const own = new Scope(scope);
      this.bind(left, value, own);
      const completion = this.statement(body, own);
      if (completion?.kind === "return") return completion;
      if (completion?.kind === "break") return undefined;
    }
    return undefined;
  }

  /** Evaluates what may or may not run: what it adds to a model or assigns is unknown for the reason. */
  perhaps(reason: string, work: () => void): void {
    const before = this.uncertain;
    this.uncertain ??= reason;
    try {
      work();
    } finally {
      this.uncertain = before;
    }
  }
}

function unknownPart(value: JsValue, part: SyntaxNode): JsValue {
  return value instanceof Unknown ? value : new Unknown(`${part.text.slice(0, 40)} is not known`);
}

/** The function's own name, or that of the variable or field it is written to. */
function functionName(node: SyntaxNode): string | undefined {
  const own = node.childForFieldName("name")?.text;
  if (own !== undefined) return own;
  const { parent } = node;
  const target = parent?.type === "variable_declarator" ? parent.childForFieldName("name") : undefined;
  return target?.type === "identifier" ? target.text : undefined;
}
