import { moduleSetAttribute } from "../../libraries/torch";
import type { Evaluator } from "../../values/evaluator";
import { findMember } from "../../values/members";
import type { Unknown } from "../../values/unknown";
import { PyClass, PyObject, type Value } from "../../values/values";
import { attributesOf, isCached } from "./attributes";
import { isDataDescriptor } from "./instances";

/** Attributes that may have changed in a way that is not known. */

/** Notes that the object may have any attribute: one was set under a name that is unknown. */
export function setUnlisted(ev: Evaluator, object: PyObject, why: Unknown): void {
  ev.alike.writes(object);
  object.unlisted ??= why;
}

/**
 * Makes an attribute unknown, without calling what guards it: a property without a setter, a `__setattr__` of the
 * source.
 */
export function forgetAttribute(ev: Evaluator, object: Value, name: string, unknown: Unknown): void {
  ev.alike.writes(object);
  if (object instanceof PyObject && name === "__dict__") object.unlisted ??= unknown;
  else if (object instanceof PyObject) {
    const member = findMember(object.type, name);
    if (member !== undefined && isDataDescriptor(member) && !isCached(member)) {
      object.forgotten ??= new Map();
      object.forgotten.set(name, unknown);
    } else if (!object.module || !moduleSetAttribute(object, name, unknown, ev)) object.attributes.set(name, unknown);
  } else if (object instanceof PyClass) {
    // Those of ours are shared by all files.
    if (!object.builtin) object.members.set(name, unknown);
  } else attributesOf(object)?.set(name, unknown);
}
