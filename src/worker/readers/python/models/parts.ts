import { lineText } from "../../../graph/node";
import { isInstalled } from "../evaluate/errors";
import type { DefinedClass } from "../evaluate/scope";
import type { Module, Stmt } from "../syntax/ast";
import { namesMentionedBy } from "../syntax/walk";
import type { Evaluator } from "../values/evaluator";
import type { PyClass, PyObject } from "../values/values";
import { differentModulesOf } from "./tree";

/** What the models of a file are made of. */

/** Names of the model classes that other model classes of the file mention. */
export function partsOf(classes: readonly DefinedClass[]): Set<string> {
  const parts = new Set<string>();
  for (const { node, type } of classes) {
    for (const name of namesMentionedBy(node)) if (name !== type.name) parts.add(name);
  }
  return parts;
}

/** Classes of the modules in it. */
export function* typesWithin(root: PyObject): Generator<PyClass> {
  for (const [, module] of differentModulesOf(root)) if (module !== root) yield module.type;
}

/** Whether one of the modules is of a class of the project, or one of torch's own that code of the project makes. */
export function isOfProject(root: PyObject): boolean {
  for (const [, { type, place }] of differentModulesOf(root)) {
    const home = (type.builtin ? place : type.place)?.file;
    if (home !== undefined && !isInstalled(home)) return true;
  }
  return false;
}

/** A class that the module's top level defines again is replaced by the last: in a notebook, the later cell wins. */
export function modelClasses(ev: Evaluator, { body }: Module): DefinedClass[] {
  const byNode = new Map(ev.classes.filter((c) => ev.isModuleType(c.type)).map((c) => [c.node, c]));
  const top = new Set<Stmt>(body);
  // A notebook's cells may write several modules.
  const nameOf = ({ type }: DefinedClass) => `${type.definedIn}.${type.name}`;
  const last = new Map([...byNode.values()].filter((c) => top.has(c.node)).map((c) => [nameOf(c), c]));
  return [...byNode.values()].filter((c) => {
    const winner = last.get(nameOf(c));
    if (!top.has(c.node) || winner === undefined || winner === c) return true;
    const where = lineText(winner.type.place ?? ev.source.place(winner.node));
    ev.problem(
      `${c.type.name} is defined again at ${where}, and that definition is the one shown`,
      "information",
      c.type.place,
    );
    return false;
  });
}
