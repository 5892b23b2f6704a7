import { createHash, type Hash } from "node:crypto";
import { templateOf } from "../evaluate/repeated/template";
import type { PyObject, PyTensor } from "../values/values";
import { join } from "./repeated";

/** Whether a model is still as its class made it: a head may be replaced since, layers wrapped, weights frozen. */

/**
 * Tells its parts by path, their kinds, the sizes of their weights, which of these are one and which learn, and whose
 * forward is another's. A copy that nobody has looked into gives what it gives once somebody has.
 */
function outline(
  hash: Hash,
  root: PyObject,
  prefix = "",
  seen = new Set<PyObject>(),
  firsts = new Map<PyTensor, string>(),
): Hash {
  if (seen.has(root)) return hash;
  seen.add(root);
  const template = templateOf(root);
  if (template) return outline(hash, template.original, prefix);
  const { type, module, attributes } = root;
  hash.update(`\n${prefix} ${type.definedIn}.${type.name}${attributes.has("forward") ? " forward" : ""}`);
  for (const [name, tensor] of module?.parameters ?? []) {
    if (!tensor) continue;
    const path = join(prefix, name);
    const first = firsts.get(tensor) ?? path;
    firsts.set(tensor, first);
    hash.update(`\n${path} ${first} ${tensor.shape} ${tensor.requiresGrad}`);
  }
  for (const [name, child] of module?.modules ?? []) if (child) outline(hash, child, join(prefix, name), seen, firsts);
  return hash;
}

const outlineOf = (root: PyObject): string => outline(createHash("sha1"), root).digest("base64");

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
