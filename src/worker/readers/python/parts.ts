import type { DefinedClass } from "./scope";
import { modulesOf } from "./tree";
import type { PyClass, PyObject } from "./values";
import { namesMentionedBy } from "./walk";

/** What the models of a file are made of. */

/** Names of the model classes that other model classes of the file mention. */
export function partsOf(classes: readonly DefinedClass[]): Set<string> {
  const parts = new Set<string>();
  for (const { node, type } of classes) {
    for (const name of namesMentionedBy(node)) if (name !== type.name) parts.add(name);
  }
  return parts;
}

export function* typesWithin(root: PyObject): Generator<PyClass> {
  for (const [, module] of modulesOf(root)) if (module !== root) yield module.type;
}

/** Whether the file has the class of one of the modules, or makes one of torch's own. */
export function isOfFile(root: PyObject, file: string): boolean {
  return [...modulesOf(root)].some(([, { type, place }]) => (type.builtin ? place : type.place)?.file === file);
}
