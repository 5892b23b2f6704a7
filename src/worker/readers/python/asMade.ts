import { modulesOf } from "./tree";
import type { PyObject, PyTensor } from "./values";

/** Whether a model is still as its class made it: a head may be replaced since, layers wrapped, weights frozen. */

/**
 * Its parts by path, their kinds, the sizes of their weights, which of these are one and which learn, and whose forward
 * is another's.
 */
function outlineOf(root: PyObject): string {
  const lines: string[] = [];
  const numbers = new Map<PyTensor, number>();
  for (const [path, { type, module, attributes }] of modulesOf(root)) {
    lines.push(`${path} ${type.name}${attributes.has("forward") ? " forward" : ""}`);
    for (const [name, tensor] of module?.parameters ?? []) {
      if (!tensor) continue;
      const number = numbers.get(tensor) ?? numbers.size;
      numbers.set(tensor, number);
      lines.push(`${name} ${number} ${tensor.shape} ${tensor.requiresGrad}`);
    }
  }
  return lines.join("\n");
}

/** To be called when its constructor has ended. */
export function noteAsMade(object: PyObject): void {
  if (object.module) object.module.asMade = outlineOf(object);
}

export function isChanged(object: PyObject): boolean {
  const asMade = object.module?.asMade;
  return asMade !== undefined && asMade !== outlineOf(object);
}

/** It is a model besides what its class makes: it was changed since, or its weights are from a checkpoint. */
export function standsAlone(object: PyObject): boolean {
  return object.module?.checkpoint !== undefined || isChanged(object);
}
