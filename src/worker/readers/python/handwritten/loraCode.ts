import type { LoraCode } from "../../model";
import { argumentsByName, givenTo } from "../evaluate/run/classes";
import type { Definition, Scope } from "../evaluate/scope";
import { modulesOf } from "../models/tree";
import type { Expr } from "../syntax/ast";
import { expressionsOf, walkExpr, walkStatements } from "../syntax/walk";
import type { Evaluator } from "../values/evaluator";
import { findMember } from "../values/members";
import { PyDict, PyFloat, PyFunction, PyObject, type Value } from "../values/values";

/** Questions about a model's code for findings on handwritten LoRA. */
export function loraCode(ev: Evaluator, root: PyObject, trains: LoraCode["trains"]): LoraCode {
  const at = (path: string) => [...modulesOf(root)].find(([each]) => each === path)?.[1];
  return {
    numbersOf: (path) => {
      const object = at(path);
      return object ? [...heldNumbers(ev, object, path === "")] : [];
    },
    isStraight: (path) => {
      const object = at(path);
      return object !== undefined && isStraight(object);
    },
    drawsWith: (path, name) => {
      const object = at(path);
      return object !== undefined && drawsWith(object, name);
    },
    trains,
  };
}

/** Its forward has no branches: what it does not use here it never does. */
function isStraight({ type, attributes }: PyObject): boolean {
  const forward = attributes.get("forward") ?? findMember(type, "forward");
  const node = forward instanceof PyFunction ? (forward.definition as Definition).node : undefined;
  if (node?.kind !== "Function") return false;
  let branches = false;
  walkStatements(node.body, (statement) => {
    branches ||= statement.kind === "If" || statement.kind === "Match" || statement.kind === "Try";
    for (const expr of expressionsOf(statement)) {
      walkExpr(expr, (e) => {
        branches ||= e.kind === "Conditional";
      });
    }
  });
  return !branches;
}

/** `nn.init.uniform_(self.A, -alpha, alpha)`, `torch.randn(r, n) * alpha`. */
const DRAWS = /_$|^(rand|randn|normal|empty|uniform|Parameter)$/;

function drawsWith({ type }: PyObject, name: RegExp): boolean {
  if (type.builtin) return false;
  let found = false;
  for (const [key, member] of type.members) {
    const node = member instanceof PyFunction ? (member.definition as Definition).node : undefined;
    if (node?.kind !== "Function" || /forward|__call__/.test(key)) continue;
    walkStatements(node.body, (statement) => {
      for (const expr of expressionsOf(statement)) {
        let draws = false;
        let names = false;
        walkExpr(expr, (e) => {
          if (e.kind === "Call") draws ||= DRAWS.test(lastName(e.callee) ?? "");
          else names ||= name.test(lastName(e) ?? "");
        });
        found ||= draws && names;
      }
    });
  }
  return found;
}

function lastName(expr: Expr): string | undefined {
  if (expr.kind === "Name") return expr.id;
  return expr.kind === "Attribute" ? expr.name : undefined;
}

/**
 * Numbers that a module works with, by name: its attributes, its constructor's arguments, fields of a configuration
 * among these, and names of the functions around its own forward.
 */
function* heldNumbers(ev: Evaluator, object: PyObject, isRoot: boolean): Generator<readonly [string, number]> {
  const given = givenTo(object);
  const values = [...object.attributes, ...(given ? argumentsByName(object.type, given) : [])];
  for (const [name, value] of values) yield* numbersIn(name, value);
  const forward = object.attributes.get("forward");
  if (forward instanceof PyFunction) {
    for (const [name, value] of forward.defaults) yield* numbersIn(name, value);
    for (let scope: Scope | undefined = forward.scope as Scope; scope?.kind === "function"; scope = scope.parent)
      for (const [name, value] of scope.names) yield* numbersIn(name, value);
  }
  if (isRoot) for (const [name, value] of ev.globals.names) yield* numbersIn(name, value);
}

function* numbersIn(name: string, value: Value): Generator<readonly [string, number]> {
  const own = numberOf(value);
  if (own !== undefined) yield [name, own];
  else if (value instanceof PyDict) {
    for (const entry of value.entries.values()) {
      const number = numberOf(entry.value);
      if (typeof entry.key === "string" && number !== undefined) yield [entry.key, number];
    }
  } else if (value instanceof PyObject && !value.module) {
    for (const [key, each] of value.attributes) {
      const number = numberOf(each);
      if (number !== undefined) yield [key, number];
    }
  }
}

function numberOf(value: Value): number | undefined {
  if (typeof value === "number") return value;
  return value instanceof PyFloat ? value.value : undefined;
}
