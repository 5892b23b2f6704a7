import type { Scope } from "../evaluate/scope";
import { PyBound, type PyClass, PyFunction, PyNative, type Value } from "../values/values";

/** Recognizes what makes models, by its name or its kind. */

const MAKES_MODELS = /^(from_pretrained|_?from_config|create_model|get_model|builder)$/;

/** Ways of libraries to make a model, and functions of other files whose names say that they do. */
export function isBuilder(value: Value, file: string): boolean {
  const callee = value instanceof PyBound ? value.callee : value;
  if (!(callee instanceof PyNative || callee instanceof PyFunction)) return false;
  if (MAKES_MODELS.test(callee.name)) return true;
  const isImported = callee instanceof PyFunction && (callee.scope as Scope).source?.file !== file;
  return isImported && /^(build|make|create)|model|net(?![a-z])|former/i.test(callee.name);
}

/** Of torch's own classes few hold others; a loss or a layer alone is no model. */
export function holdsModules({ builtin, name }: PyClass): boolean {
  return builtin === undefined || /^(Sequential|Transformer.*)$/.test(name);
}
