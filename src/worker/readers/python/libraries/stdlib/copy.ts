import { configOf, entriesOf } from "../../configs/dictConfig";
import { dictOf, dictSet, setOf } from "../../values/equality";
import type { Evaluator } from "../../values/evaluator";
import { native } from "../../values/native";
import { PyDefaultDict } from "../../values/types";
import { PyDict, PyList, PyObject, PySet, PyTensor, PyTuple, type Value } from "../../values/values";
import { PyArray } from "../numpy/array";

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
    likeSubclass(ev, copy, value, done);
    for (const item of value.items) copy.items.push(deepCopy(ev, item, done));
    return copy;
  }
  if (value instanceof PyTuple) {
    const copy = new PyTuple(
      value.items.map((item) => deepCopy(ev, item, done)),
      value.fields,
    );
    likeSubclass(ev, copy, value, done);
    return copy;
  }
  if (value instanceof PyDict) {
    const config = entriesOf(value);
    if (config) {
      const copy = configOf(ev, value, config.parent);
      done.set(value, copy);
      return copy;
    }
    const copy = value instanceof PyDefaultDict ? new PyDefaultDict(value.factory) : new PyDict();
    done.set(value, copy);
    likeSubclass(ev, copy, value, done);
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
  if (value instanceof PyArray) {
    const copy = new PyArray(value.values(), value.shape, value.dtype);
    done.set(value, copy);
    return copy;
  }
  // The rest of what is more than its attributes does not change: partials, properties, patterns, members of enums.
  if (!(value instanceof PyObject) || value.constructor !== PyObject || value.type.enumMembers) return value;
  const copy = new PyObject(value.type, value.place);
  if (value.payload !== undefined) copy.payload = value.payload;
  done.set(value, copy);
  for (const [name, item] of value.attributes) copy.attributes.set(name, deepCopy(ev, item, done));
  if (value.forgotten) copy.forgotten = new Map(value.forgotten);
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
      ...(module.checkpoint && { checkpoint: module.checkpoint }),
    };
  }
  return copy;
}

/** An instance of a class that derives from a container is copied as one. */
function likeSubclass<T extends PyList | PyTuple | PyDict>(
  ev: Evaluator,
  copy: T,
  value: T,
  done: Map<Value, Value>,
): void {
  if (!value.subclass) return;
  const { type, attributes } = value.subclass;
  copy.subclass = {
    type,
    attributes: new Map([...attributes].map(([name, item]) => [name, deepCopy(ev, item, done)])),
  };
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
      if (x.constructor !== PyObject || x.type.enumMembers) return deepCopy(ev, x);
      const copy = new PyObject(x.type, x.place);
      if (x.payload !== undefined) copy.payload = x.payload;
      for (const [name, value] of x.attributes) copy.attributes.set(name, value);
      if (x.forgotten) copy.forgotten = new Map(x.forgotten);
      return copy;
    }),
  ]),
);
