import { lineText } from "../../graph/node";
import type { Module, Stmt } from "./ast";
import type { Evaluator } from "./evaluator";
import type { DefinedClass } from "./scope";
import { modulesOf } from "./tree";
import type { PyObject } from "./values";
import { namesMentionedBy } from "./walk";

/** The model classes of a file, and which of them are parts of others. */

/** A class that the module's top level defines again is replaced by the last: in a notebook, the later cell wins. */
export function modelClasses(ev: Evaluator, { body }: Module): DefinedClass[] {
  const byNode = new Map(ev.classes.filter((c) => ev.isModuleType(c.type)).map((c) => [c.node, c]));
  const top = new Set<Stmt>(body);
  const last = new Map([...byNode.values()].filter((c) => top.has(c.node)).map((c) => [c.type.name, c]));
  return [...byNode.values()].filter((c) => {
    const winner = last.get(c.type.name);
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

/** Names of the model classes that other model classes of the file mention. */
export function partsOf(classes: readonly DefinedClass[]): Set<string> {
  const parts = new Set<string>();
  for (const { node, type } of classes) {
    for (const name of namesMentionedBy(node)) if (name !== type.name) parts.add(name);
  }
  return parts;
}

/** Whether the file has the class of one of the modules, or makes one of torch's own. */
export function isOfFile(root: PyObject, file: string): boolean {
  return [...modulesOf(root)].some(([, { type, place }]) => (type.builtin ? place : type.place)?.file === file);
}
