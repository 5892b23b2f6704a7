import type { Node as SyntaxNode } from "web-tree-sitter";
import { callLibrary, callMethod } from "./calls";
import {
  type Evaluator,
  JsFunction,
  JsObject,
  type JsValue,
  joined,
  LayerValue,
  LibraryName,
  ModelValue,
  type Scope,
  SymbolicTensor,
  Unknown,
} from "./values";

const MAX_TEXT = 100_000;
/** A list longer than this is data. */
const MAX_ITEMS = 20_000;

/** The value of an expression; what cannot be evaluated is an Unknown with the reason. */
export function evaluate(ev: Evaluator, node: SyntaxNode, scope: Scope): JsValue {
  ev.step();
  switch (node.type) {
    case "number":
      return Number(node.text.replaceAll("_", "").replace(/n$/, ""));
    case "string":
      return textOf(node);
    case "template_string":
      return template(ev, node, scope);
    case "true":
      return true;
    case "false":
      return false;
    case "null":
      return null;
    case "undefined":
      return undefined;
    case "this":
      return scope.get("this");
    case "identifier":
      return identifier(node.text, scope);
    case "parenthesized_expression":
    case "as_expression":
    case "satisfies_expression":
    case "non_null_expression":
    case "await_expression":
    case "type_assertion":
      return evaluate(ev, node.namedChildren[node.type === "type_assertion" ? 1 : 0] ?? node, scope);
    case "sequence_expression":
      return node.namedChildren.map((part) => evaluate(ev, part, scope)).at(-1);
    case "array":
      return list(ev, node, scope);
    case "object":
      return object(ev, node, scope);
    case "arrow_function":
    case "function_expression":
    case "generator_function":
      return ev.function(node, scope);
    case "unary_expression":
      return unary(node.childForFieldName("operator")!.text, evaluate(ev, node.childForFieldName("argument")!, scope));
    case "binary_expression":
      return binaryExpression(ev, node, scope);
    case "ternary_expression":
      return ternary(ev, node, scope);
    case "assignment_expression":
      return assign(ev, node.childForFieldName("left")!, evaluate(ev, node.childForFieldName("right")!, scope), scope);
    case "augmented_assignment_expression": {
      const left = node.childForFieldName("left")!;
      const right = evaluate(ev, node.childForFieldName("right")!, scope);
      const operator = node.childForFieldName("operator")!.text.slice(0, -1);
      return assign(ev, left, binary(operator, evaluate(ev, left, scope), right), scope);
    }
    case "update_expression": {
      const target = node.childForFieldName("argument")!;
      const before = evaluate(ev, target, scope);
      assign(ev, target, binary(node.childForFieldName("operator")!.text[0]!, before, 1), scope);
      return before;
    }
    case "member_expression":
      return member(ev, node, scope);
    case "subscript_expression": {
      const index = evaluate(ev, node.childForFieldName("index")!, scope);
      return field(evaluate(ev, node.childForFieldName("object")!, scope), index);
    }
    case "call_expression":
      return call(ev, node, scope);
    case "new_expression":
      for (const argument of node.childForFieldName("arguments")?.namedChildren ?? []) evaluate(ev, argument, scope);
      return new Unknown("an object made with new is not followed");
    default:
      return new Unknown(`${node.type.replaceAll("_", " ")} is not evaluated`);
  }
}

function identifier(name: string, scope: Scope): JsValue {
  if (scope.has(name)) return scope.get(name);
  // Pages load the library with a script tag, which defines `tf` for all files.
  if (name === "tf") return new LibraryName("");
  if (name === "NaN") return Number.NaN;
  if (name === "Infinity") return Number.POSITIVE_INFINITY;
  return scope.get(name);
}

function textOf(node: SyntaxNode): string {
  const body = node.text.slice(1, -1);
  return body.includes("\\") ? body.replace(/\\(.)/gs, (_, c: string) => ({ n: "\n", t: "\t" })[c] ?? c) : body;
}

function template(ev: Evaluator, node: SyntaxNode, scope: Scope): JsValue {
  let text = "";
  let at = node.startIndex + 1;
  for (const part of node.namedChildren) {
    if (part.type !== "template_substitution") continue;
    const value = evaluate(ev, part.namedChildren[0]!, scope);
    if (typeof value !== "string" && typeof value !== "number") return new Unknown("a part of a text is not known");
    text += node.text.slice(at - node.startIndex, part.startIndex - node.startIndex) + String(value);
    at = part.endIndex;
  }
  text += node.text.slice(at - node.startIndex, -1);
  return text.length > MAX_TEXT ? new Unknown("a text is too long") : text;
}

function list(ev: Evaluator, node: SyntaxNode, scope: Scope): JsValue {
  const items: JsValue[] = [];
  if (node.namedChildCount > MAX_ITEMS) return new Unknown(`a list of more than ${MAX_ITEMS} items is not evaluated`);
  for (const part of node.namedChildren) {
    if (part.type === "comment") continue;
    if (part.type !== "spread_element") items.push(evaluate(ev, part, scope));
    else {
      const spread = evaluate(ev, part.namedChildren[0]!, scope);
      if (!Array.isArray(spread)) return spread instanceof Unknown ? spread : new Unknown("what is spread is no list");
      items.push(...spread);
    }
  }
  return items.length > MAX_ITEMS ? new Unknown(`a list of more than ${MAX_ITEMS} items is not evaluated`) : items;
}

function object(ev: Evaluator, node: SyntaxNode, scope: Scope): JsObject {
  const fields = new Map<string, JsValue>();
  for (const part of node.namedChildren) {
    if (part.type === "pair") {
      const key = part.childForFieldName("key")!;
      const name = key.type === "string" ? textOf(key) : key.text;
      fields.set(name, evaluate(ev, part.childForFieldName("value")!, scope));
    } else if (part.type === "shorthand_property_identifier") fields.set(part.text, identifier(part.text, scope));
    else if (part.type === "spread_element") {
      const spread = evaluate(ev, part.namedChildren[0]!, scope);
      if (spread instanceof JsObject) for (const [key, value] of spread.fields) fields.set(key, value);
    } else if (part.type === "method_definition") ev.function(part, scope);
  }
  return new JsObject(fields);
}

function unary(operator: string, value: JsValue): JsValue {
  if (value instanceof Unknown) return value;
  if (operator === "!") return !truth(value);
  if (operator === "typeof") return typeof value;
  if (typeof value !== "number" && typeof value !== "string")
    return new Unknown(`${operator} of this value is not evaluated`);
  if (operator === "-") return -Number(value);
  return operator === "+" ? Number(value) : new Unknown(`${operator} is not evaluated`);
}

function truth(value: JsValue): boolean {
  return Boolean(value);
}

function binaryExpression(ev: Evaluator, node: SyntaxNode, scope: Scope): JsValue {
  const operator = node.childForFieldName("operator")!.text;
  const left = evaluate(ev, node.childForFieldName("left")!, scope);
  const right = () => evaluate(ev, node.childForFieldName("right")!, scope);
  if (["&&", "||", "??"].includes(operator)) {
    if (left instanceof Unknown) return left;
    const takesRight =
      operator === "&&" ? truth(left) : operator === "||" ? !truth(left) : left === null || left === undefined;
    return takesRight ? right() : left;
  }
  return binary(operator, left, right());
}

export function binary(operator: string, left: JsValue, right: JsValue): JsValue {
  if (left instanceof Unknown) return left;
  if (right instanceof Unknown) return right;
  switch (operator) {
    case "===":
      return left === right;
    case "!==":
      return left !== right;
    case "==":
      return left === right || ((left ?? null) === null && (right ?? null) === null);
    case "!=":
      return !(left === right || ((left ?? null) === null && (right ?? null) === null));
  }
  if (operator === "+" && (typeof left === "string" || typeof right === "string")) {
    const text = `${String(left)}${String(right)}`;
    return text.length > MAX_TEXT ? new Unknown("a text is too long") : text;
  }
  if (typeof left !== "number" || typeof right !== "number")
    return new Unknown(`${operator} of these values is not evaluated`);
  switch (operator) {
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*":
      return left * right;
    case "/":
      return left / right;
    case "%":
      return left % right;
    case "**":
      return left ** right;
    case "<":
      return left < right;
    case "<=":
      return left <= right;
    case ">":
      return left > right;
    case ">=":
      return left >= right;
    case "<<":
      return left << right;
    case ">>":
      return left >> right;
    default:
      return new Unknown(`${operator} is not evaluated`);
  }
}

function ternary(ev: Evaluator, node: SyntaxNode, scope: Scope): JsValue {
  const condition = evaluate(ev, node.childForFieldName("condition")!, scope);
  if (condition instanceof Unknown) return condition;
  return evaluate(ev, node.childForFieldName(truth(condition) ? "consequence" : "alternative")!, scope);
}

function assign(ev: Evaluator, target: SyntaxNode, given: JsValue, scope: Scope): JsValue {
  const value = ev.uncertain === undefined ? given : new Unknown(ev.uncertain);
  if (target.type === "identifier") {
    if (given instanceof ModelValue) given.variable ??= target.text;
    scope.assign(target.text, value);
  } else if (target.type === "member_expression") {
    const owner = evaluate(ev, target.childForFieldName("object")!, scope);
    const name = target.childForFieldName("property")!.text;
    if (given instanceof ModelValue) given.variable ??= name;
    if (owner instanceof JsObject) owner.fields.set(name, value);
  } else if (target.type === "subscript_expression") {
    const owner = evaluate(ev, target.childForFieldName("object")!, scope);
    const index = evaluate(ev, target.childForFieldName("index")!, scope);
    if (owner instanceof JsObject && typeof index === "string") owner.fields.set(index, value);
    else if (Array.isArray(owner) && typeof index === "number" && index >= 0 && index < MAX_ITEMS) owner[index] = value;
  } else ev.bind(target, value, scope);
  return value;
}

function member(ev: Evaluator, node: SyntaxNode, scope: Scope): JsValue {
  return field(evaluate(ev, node.childForFieldName("object")!, scope), node.childForFieldName("property")!.text);
}

function field(owner: JsValue, key: JsValue): JsValue {
  if (owner instanceof Unknown) return owner;
  if (key instanceof Unknown) return key;
  if (owner instanceof LibraryName && typeof key === "string") return new LibraryName(joined(owner.path, key));
  if (owner instanceof JsObject && typeof key === "string") {
    return owner.fields.has(key) ? owner.fields.get(key) : new Unknown(`.${key} is not set in this file`);
  }
  if ((Array.isArray(owner) || typeof owner === "string") && key === "length") return owner.length;
  if (Array.isArray(owner) && typeof key === "number") return owner[key];
  if (owner instanceof ModelValue && owner.kind === "Sequential" && key === "layers") return owner.layers.slice();
  if (owner instanceof ModelValue && owner.kind === "Model") {
    if (key === "inputs" || key === "outputs") return [...owner[key]];
    if (key === "input" || key === "output") return owner[`${key}s`][0];
  }
  return new Unknown(`.${String(key)} is not known`);
}

function call(ev: Evaluator, node: SyntaxNode, scope: Scope): JsValue {
  const callee = node.childForFieldName("function")!;
  const args = (node.childForFieldName("arguments")?.namedChildren ?? [])
    .filter((part) => part.type !== "comment")
    .map((part) =>
      part.type === "spread_element" ? new Unknown("spread arguments are not followed") : evaluate(ev, part, scope),
    );
  if (callee.type === "identifier" && callee.text === "require" && !scope.has("require")) return required(args[0]);
  if (callee.type === "member_expression") {
    const object = callee.childForFieldName("object")!;
    const name = callee.childForFieldName("property")!.text;
    if (object.text === "Math" && !scope.has("Math")) return mathematics(name, args);
    const owner = evaluate(ev, object, scope);
    if (owner instanceof LibraryName) return callLibrary(ev, joined(owner.path, name), args, node);
    if (
      owner instanceof ModelValue ||
      owner instanceof LayerValue ||
      owner instanceof SymbolicTensor ||
      Array.isArray(owner)
    )
      return callMethod(ev, owner, name, args);
    return callValue(ev, field(owner, name), name, args, node);
  }
  return callValue(ev, evaluate(ev, callee, scope), callee.text.slice(0, 40), args, node);
}

function callValue(ev: Evaluator, fn: JsValue, name: string, args: readonly JsValue[], node: SyntaxNode): JsValue {
  if (fn instanceof JsFunction) return ev.call(fn, args);
  if (fn instanceof LibraryName) return callLibrary(ev, fn.path, args, node);
  return fn instanceof Unknown ? fn : new Unknown(`what ${name} gives is not known`);
}

function required(module: JsValue): JsValue {
  const isLibrary = typeof module === "string" && /^@tensorflow\/tfjs(?:-|$)/.test(module);
  return isLibrary ? new LibraryName("") : new Unknown(`the import of ${String(module)} is not followed`);
}

const MATHEMATICS: Readonly<Record<string, (...x: number[]) => number>> = {
  abs: Math.abs,
  ceil: Math.ceil,
  exp: Math.exp,
  floor: Math.floor,
  log: Math.log,
  log2: Math.log2,
  max: Math.max,
  min: Math.min,
  pow: Math.pow,
  round: Math.round,
  sqrt: Math.sqrt,
  trunc: Math.trunc,
};

function mathematics(name: string, args: readonly JsValue[]): JsValue {
  const unknown = args.find((arg) => arg instanceof Unknown);
  if (unknown) return unknown;
  const fn = Object.hasOwn(MATHEMATICS, name) ? MATHEMATICS[name] : undefined;
  const numbers = args.filter((arg) => typeof arg === "number");
  return fn && numbers.length === args.length ? fn(...numbers) : new Unknown(`Math.${name} is not evaluated`);
}
