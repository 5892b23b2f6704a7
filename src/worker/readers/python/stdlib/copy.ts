import { dictOf, dictSet, setOf } from "../equality";
import type { Evaluator } from "../evaluator";
import { native } from "../native";
import { PyPartial, PyProperty } from "../types";
import { PyDict, PyList, PyObject, PySet, PyTensor, PyTuple, type Value } from "../values";

import { named, namespace } from "./namespace";

/** The module copy. */

/** A copy with every list, dict, object, parameter and module in it copied once. */
export function deepCopy(ev: Evaluator, value: Value, done = new Map<Value, Value>()): Value {
  const before = done.get(value);
  if (before !== undefined) return before;
  ev.step();
  if (value instanceof PyList) {
    const copy = new PyList([]);
    done.set(value, copy);
    for (const item of value.items) copy.items.push(deepCopy(ev, item, done));
    return copy;
  }
  if (value instanceof PyTuple)
    return new PyTuple(
      value.items.map((item) => deepCopy(ev, item, done)),
      value.fields,
    );
  if (value instanceof PyDict) {
    const copy = new PyDict();
    done.set(value, copy);
    for (const entry of value.entries.values()) dictSet(copy, entry.key, deepCopy(ev, entry.value, done));
    return copy;
  }
  if (value instanceof PySet) return setOf(value.entries.values());
  if (value instanceof PyTensor) {
    const copy = new PyTensor(value.node, value.shape, value.dtype, value.unknown);
    copy.requiresGrad = value.requiresGrad;
    // A copied parameter starts with the values of the first: it is the same draw of random numbers.
    if (value.stored) copy.stored = { ...value.stored };
    done.set(value, copy);
    return copy;
  }
  if (value instanceof PyPartial || value instanceof PyProperty || !(value instanceof PyObject)) return value;
  const copy = new PyObject(value.type, value.place);
  done.set(value, copy);
  for (const [name, item] of value.attributes) copy.attributes.set(name, deepCopy(ev, item, done));
  const { module } = value;
  if (module) {
    const tensor = (t: PyTensor | null): PyTensor | null => t && (deepCopy(ev, t, done) as PyTensor);
    copy.module = {
      parameters: new Map([...module.parameters].map(([name, t]) => [name, tensor(t)])),
      buffers: new Map(
        [...module.buffers].map(([name, b]) => [name, { tensor: tensor(b.tensor), persistent: b.persistent }]),
      ),
      modules: new Map([...module.modules].map(([name, m]) => [name, m && (deepCopy(ev, m, done) as PyObject)])),
      training: module.training,
      options: { ...module.options },
    };
  }
  return copy;
}

export const COPY = namespace(
  "copy",
  named([
    native("deepcopy", "x, memo=None", (args, ev) => deepCopy(ev, args.x!)),
    native("copy", "x", (args, ev) => {
      const { x } = args;
      if (x instanceof PyList) return new PyList([...x.items]);
      if (x instanceof PyDict) return dictOf([...x.entries.values()].map((e) => [e.key, e.value]));
      if (x instanceof PySet) return setOf(x.entries.values());
      if (!(x instanceof PyObject) || x.module) return deepCopy(ev, x!);
      const copy = new PyObject(x.type, x.place);
      for (const [name, value] of x.attributes) copy.attributes.set(name, value);
      return copy;
    }),
  ]),
);
