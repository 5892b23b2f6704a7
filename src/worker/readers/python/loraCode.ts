import type { LoraCode } from "../model";
import { argumentsByName, givenTo } from "./classes";
import type { Evaluator } from "./evaluator";
import type { Scope } from "./scope";
import { modulesOf } from "./tree";
import { PyDict, PyFloat, PyFunction, PyObject, type Value } from "./values";

/** What findings on LoRA written by hand ask of the code of a model. */
export function loraCode(ev: Evaluator, root: PyObject, trains: LoraCode["trains"]): LoraCode {
  return {
    numbersOf: (path) => {
      const object = [...modulesOf(root)].find(([each]) => each === path)?.[1];
      return object ? [...heldNumbers(ev, object, path === "")] : [];
    },
    trains,
  };
}

/**
 * Numbers that a module works with, by name: what it keeps, what its constructor was given, what a configuration among
 * these holds, and what the functions around a forward of its own do.
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
