import { isFloating } from "../../../../../formats/dtype";
import { typeName } from "../../../values/types";
import { EvaluationError, Unknown } from "../../../values/unknown";
import {
  type BoundArgs,
  type PyClass,
  PyDict,
  PyError,
  PyGenerator,
  PyList,
  PyNative,
  PyObject,
  PySlice,
  PyTensor,
  PyTuple,
  type Runtime,
  type Value,
} from "../../../values/values";
import { isModule, stateOf, submodules } from "../module/module";
import { addModule } from "../module/moduleMethods";
import { liveItems } from "../module/moduleWalks";
import { sequenceOf } from "../registry/arguments";
import { tensorScalar } from "../tensor/fold";
import { makeParameter } from "../tensor/parameter";
import { instance, layer } from "./layer";

/** Sequential, ModuleList, ModuleDict, ParameterList and ParameterDict. */

type Method = (self: PyObject, args: BoundArgs, runtime: Runtime) => Value;

function methods(type: PyClass, table: Readonly<Record<string, readonly [parameters: string, body: Method]>>): void {
  for (const [name, [parameters, body]] of Object.entries(table)) {
    type.members.set(
      name,
      new PyNative(name, parameters ? `self, ${parameters}` : "self", (args, runtime) =>
        body(instance(args.self, type.name), args, runtime),
      ),
    );
  }
}

function pairsOf(value: Value, runtime: Runtime): [string, Value][] {
  if (value instanceof PyDict) return [...value.entries.values()].map(({ key, value: item }) => [String(key), item]);
  if (value instanceof PyObject && isModule(value)) return submodules(value);
  return [...runtime.iterate(value)].map((pair) => {
    const [key, item] = [...runtime.iterate(pair)];
    return [String(key), item ?? null];
  });
}

const children = (self: PyObject): (PyObject | Unknown | null)[] => submodules(self).map(([, child]) => child);

/** As an iterator of Python's takes them from the container's dict. */
function* childrenInTurn(self: PyObject, runtime: Runtime): Generator<Value> {
  for (const [name, child] of liveItems(stateOf(self, runtime).modules, runtime)) {
    const unknown = child === null ? self.attributes.get(name) : undefined;
    yield unknown instanceof Unknown ? unknown : child;
  }
}

function* namesInTurn(self: PyObject, runtime: Runtime): Generator<Value> {
  for (const [name] of liveItems(stateOf(self, runtime).modules, runtime)) yield name;
}

/** Children under the names "0", "1", ... */
function renumber(self: PyObject, modules: readonly Value[], runtime: Runtime): void {
  stateOf(self, runtime).modules.clear();
  modules.forEach((module, i) => {
    addModule(self, String(i), module, runtime);
  });
}

function position(given: Value, length: number, runtime: Runtime, type: string): number {
  // A tensor of one whole number is an index, too.
  const whole = given instanceof PyTensor && !isFloating(given.dtype);
  const index = whole ? tensorScalar(given, runtime) : given;
  if (index instanceof Unknown) {
    throw new EvaluationError(
      `the index of this ${type} is unknown because ${index.reason}`,
      index.place ?? runtime.place,
    );
  }
  if (typeof index !== "number")
    throw new PyError("TypeError", `${type} indices must be integers, not ${typeName(index)}`, runtime.place);
  if (index < -length || index >= length)
    throw new PyError("IndexError", `index ${index} is out of range`, runtime.place);
  return index < 0 ? index + length : index;
}

/** Positions a slice takes of `length` items. */
function sliced(slice: PySlice, length: number): number[] {
  const step = typeof slice.step === "number" ? slice.step : 1;
  const clip = (v: Value, absent: number): number =>
    typeof v === "number"
      ? Math.min(Math.max(v < 0 ? v + length : v, step < 0 ? -1 : 0), step < 0 ? length - 1 : length)
      : absent;
  const [start, stop] = [clip(slice.start, step < 0 ? length - 1 : 0), clip(slice.stop, step < 0 ? -1 : length)];
  const positions: number[] = [];
  for (let i = start; step > 0 ? i < stop : i > stop; i += step) positions.push(i);
  return positions;
}

function getItem(self: PyObject, args: BoundArgs, runtime: Runtime): Value {
  const index = args.idx ?? null;
  const all = submodules(self);
  if (index instanceof PySlice) {
    const taken = sliced(index, all.length).map((i) => all[i]!);
    const copy = runtime.call(containerOf(self), []);
    if (copy instanceof PyObject) {
      // Sequential keeps the names; ModuleList numbers its entries again.
      const named = self.type.mro.includes(sequentialClass);
      taken.forEach(([name, module], i) => {
        addModule(copy, named ? name : String(i), module, runtime);
      });
    }
    return copy;
  }
  return all[position(index, all.length, runtime, self.type.name)]![1];
}

function containerOf(self: PyObject): PyClass {
  return self.type.mro.includes(sequentialClass) ? sequentialClass : moduleListClass;
}

function extend(self: PyObject, items: Value, runtime: Runtime): PyObject {
  for (const module of runtime.iterate(items))
    addModule(self, String(stateOf(self, runtime).modules.size), module, runtime);
  return self;
}

const LIST: Readonly<Record<string, readonly [string, Method]>> = {
  __len__: ["", (self, _args, runtime) => stateOf(self, runtime).modules.size],
  __iter__: ["", (self, _args, runtime) => new PyGenerator(childrenInTurn(self, runtime))],
  __getitem__: ["idx", getItem],
  __contains__: ["item", (self, args) => children(self).includes(args.item as PyObject)],
  __setitem__: [
    "idx, module",
    (self, args, runtime) => {
      const names = [...stateOf(self, runtime).modules.keys()];
      addModule(
        self,
        names[position(args.idx ?? null, names.length, runtime, self.type.name)]!,
        args.module ?? null,
        runtime,
      );
      return null;
    },
  ],
  __delitem__: [
    "idx",
    (self, args, runtime) => {
      const all = children(self);
      const index = args.idx ?? null;
      const gone =
        index instanceof PySlice ? sliced(index, all.length) : [position(index, all.length, runtime, self.type.name)];
      renumber(
        self,
        all.filter((_, i) => !gone.includes(i)),
        runtime,
      );
      return null;
    },
  ],
  append: [
    "module",
    (self, args, runtime) => {
      addModule(self, String(stateOf(self, runtime).modules.size), args.module ?? null, runtime);
      return self;
    },
  ],
  extend: ["modules", (self, args, runtime) => extend(self, args.modules ?? null, runtime)],
  insert: [
    "index, module",
    (self, args, runtime) => {
      const all: Value[] = children(self);
      const index = args.index ?? null;
      if (typeof index !== "number") throw new PyError("TypeError", "insert() takes an int", runtime.place);
      all.splice(index, 0, args.module ?? null);
      renumber(self, all, runtime);
      return self;
    },
  ],
  pop: [
    "key=-1",
    (self, args, runtime) => {
      const all = children(self);
      const at = position(args.key ?? -1, all.length, runtime, self.type.name);
      const gone = all[at]!;
      renumber(
        self,
        all.filter((_, i) => i !== at),
        runtime,
      );
      return gone;
    },
  ],
  __add__: [
    "other",
    (self, args, runtime) => {
      const sum = runtime.call(containerOf(self), []);
      return sum instanceof PyObject ? extend(extend(sum, self, runtime), args.other ?? null, runtime) : sum;
    },
  ],
  __iadd__: ["other", (self, args, runtime) => extend(self, args.other ?? null, runtime)],
};

export const sequentialClass: PyClass = layer("Sequential", "*args", {
  build(c) {
    const modules = sequenceOf(c.args.args) ?? [];
    const [only] = modules;
    if (modules.length === 1 && only instanceof PyDict) {
      for (const [name, module] of pairsOf(only, c.runtime)) addModule(c.self, name, module, c.runtime);
    } else {
      modules.forEach((module, i) => {
        addModule(c.self, String(i), module, c.runtime);
      });
    }
  },
  forward(a) {
    let value = a.args.input ?? null;
    for (const module of children(a.self)) {
      // One that could not be made computes something all the same: without it the result is unknown.
      if (module instanceof Unknown) return module;
      value = a.runtime.call(module, [value]);
    }
    return value;
  },
});
methods(sequentialClass, LIST);

function unusable(self: PyObject, runtime: Runtime): never {
  throw new PyError(
    "NotImplementedError",
    `Module [${self.type.name}] is missing the required "forward" function`,
    runtime.place,
  );
}

export const moduleListClass: PyClass = layer("ModuleList", "modules=None", {
  build(c) {
    if (c.args.modules instanceof Unknown) {
      throw new EvaluationError(
        `the modules of this ModuleList are unknown because ${c.args.modules.reason}`,
        c.runtime.place,
      );
    }
    if (c.args.modules) extend(c.self, c.args.modules, c.runtime);
  },
  forward: (a) => unusable(a.self, a.runtime),
  without: ["modules"],
});
methods(moduleListClass, LIST);

const pairList = (entries: Iterable<readonly [string, Value]>): PyList =>
  new PyList([...entries].map((e) => new PyTuple([...e])));

const moduleDictClass = layer("ModuleDict", "modules=None", {
  build(c) {
    if (c.args.modules)
      for (const [name, module] of pairsOf(c.args.modules, c.runtime)) addModule(c.self, name, module, c.runtime);
  },
  forward: (a) => unusable(a.self, a.runtime),
  without: ["modules"],
});
function keyed(self: PyObject, key: Value, runtime: Runtime): PyObject | Unknown {
  const module = submodules(self).find(([name]) => name === key)?.[1];
  if (module) return module;
  throw new PyError("KeyError", typeof key === "string" ? `'${key}'` : typeName(key), runtime.place);
}
methods(moduleDictClass, {
  __len__: ["", (self, _args, runtime) => stateOf(self, runtime).modules.size],
  __iter__: ["", (self, _args, runtime) => new PyGenerator(namesInTurn(self, runtime))],
  __getitem__: ["key", (self, args, runtime) => keyed(self, args.key ?? null, runtime)],
  __setitem__: [
    "key, module",
    (self, args, runtime) => {
      addModule(self, String(args.key), args.module ?? null, runtime);
      return null;
    },
  ],
  __delitem__: [
    "key",
    (self, args, runtime) => {
      keyed(self, args.key ?? null, runtime);
      stateOf(self, runtime).modules.delete(String(args.key));
      return null;
    },
  ],
  __contains__: ["key", (self, args, runtime) => stateOf(self, runtime).modules.has(String(args.key))],
  keys: ["", (self, _args, runtime) => new PyList([...stateOf(self, runtime).modules.keys()])],
  values: ["", (self) => new PyList(children(self))],
  items: ["", (self) => pairList(submodules(self))],
  update: [
    "modules",
    (self, args, runtime) => {
      for (const [name, module] of pairsOf(args.modules ?? null, runtime)) addModule(self, name, module, runtime);
      return null;
    },
  ],
  pop: [
    "key",
    (self, args, runtime) => {
      const module = keyed(self, args.key ?? null, runtime);
      stateOf(self, runtime).modules.delete(String(args.key));
      return module;
    },
  ],
  clear: [
    "",
    (self, _args, runtime) => {
      stateOf(self, runtime).modules.clear();
      return null;
    },
  ],
});

/** A plain tensor put in becomes a parameter. */
function putParameter(self: PyObject, name: string, value: Value, runtime: Runtime): void {
  if (!(value instanceof PyTensor)) {
    self.attributes.set(name, value);
    return;
  }
  const parameter = value.stored && !value.stored.buffer ? value : makeParameter(value, true, runtime);
  stateOf(self, runtime).parameters.set(name, parameter);
}
const parametersOf = (self: PyObject, runtime: Runtime): [string, Value][] => [...stateOf(self, runtime).parameters];

const parameterListClass = layer("ParameterList", "values=None", {
  build(c) {
    const values = c.args.values ? [...c.runtime.iterate(c.args.values)] : [];
    values.forEach((value, i) => {
      putParameter(c.self, String(i), value, c.runtime);
    });
  },
  forward: (a) => unusable(a.self, a.runtime),
  without: ["values"],
});
methods(parameterListClass, {
  __len__: ["", (self, _args, runtime) => stateOf(self, runtime).parameters.size],
  __iter__: ["", (self, _args, runtime) => new PyGenerator(parametersOf(self, runtime).map(([, p]) => p))],
  __getitem__: [
    "idx",
    (self, args, runtime) => {
      const all = parametersOf(self, runtime).map(([, p]) => p);
      const index = args.idx ?? null;
      if (index instanceof PySlice) return new PyList(sliced(index, all.length).map((i) => all[i]!));
      return all[position(index, all.length, runtime, "ParameterList")]!;
    },
  ],
  append: [
    "value",
    (self, args, runtime) => {
      putParameter(self, String(stateOf(self, runtime).parameters.size), args.value ?? null, runtime);
      return self;
    },
  ],
  extend: [
    "values",
    (self, args, runtime) => {
      for (const value of runtime.iterate(args.values ?? null)) {
        putParameter(self, String(stateOf(self, runtime).parameters.size), value, runtime);
      }
      return self;
    },
  ],
});

const parameterDictClass = layer("ParameterDict", "parameters=None", {
  build(c) {
    if (c.args.parameters)
      for (const [name, p] of pairsOf(c.args.parameters, c.runtime)) putParameter(c.self, name, p, c.runtime);
  },
  forward: (a) => unusable(a.self, a.runtime),
  without: ["parameters"],
});
function parameterNamed(self: PyObject, key: Value, runtime: Runtime): Value {
  const parameter = stateOf(self, runtime).parameters.get(String(key));
  if (parameter) return parameter;
  throw new PyError("KeyError", `'${String(key)}'`, runtime.place);
}
function parameterDictOf(pairs: readonly (readonly [string, Value])[], runtime: Runtime): Value {
  const made = runtime.call(parameterDictClass, []);
  if (made instanceof PyObject) for (const [name, value] of pairs) putParameter(made, name, value, runtime);
  return made;
}
methods(parameterDictClass, {
  __len__: ["", (self, _args, runtime) => stateOf(self, runtime).parameters.size],
  __iter__: ["", (self, _args, runtime) => new PyGenerator([...stateOf(self, runtime).parameters.keys()])],
  __contains__: ["key", (self, args, runtime) => stateOf(self, runtime).parameters.has(String(args.key))],
  __getitem__: ["key", (self, args, runtime) => parameterNamed(self, args.key ?? null, runtime)],
  __delitem__: [
    "key",
    (self, args, runtime) => {
      parameterNamed(self, args.key ?? null, runtime);
      stateOf(self, runtime).parameters.delete(String(args.key));
      return null;
    },
  ],
  get: [
    "key, default=None",
    (self, args, runtime) => stateOf(self, runtime).parameters.get(String(args.key)) ?? args.default ?? null,
  ],
  setdefault: [
    "key, default=None",
    (self, args, runtime) => {
      const { parameters } = stateOf(self, runtime);
      const name = String(args.key);
      if (!parameters.has(name)) putParameter(self, name, args.default ?? null, runtime);
      return parameters.get(name) ?? null;
    },
  ],
  pop: [
    "key",
    (self, args, runtime) => {
      const parameter = parameterNamed(self, args.key ?? null, runtime);
      stateOf(self, runtime).parameters.delete(String(args.key));
      return parameter;
    },
  ],
  popitem: [
    "",
    (self, _args, runtime) => {
      const last = parametersOf(self, runtime).at(-1);
      if (!last) throw new PyError("KeyError", "'dictionary is empty'", runtime.place);
      stateOf(self, runtime).parameters.delete(last[0]);
      return new PyTuple(last);
    },
  ],
  clear: [
    "",
    (self, _args, runtime) => {
      stateOf(self, runtime).parameters.clear();
      return null;
    },
  ],
  copy: ["", (self, _args, runtime) => parameterDictOf(parametersOf(self, runtime), runtime)],
  fromkeys: [
    "keys, default=None",
    (_self, args, runtime) => {
      const keys = [...runtime.iterate(args.keys ?? null)];
      return parameterDictOf(
        keys.map((key) => [String(key), args.default ?? null] as const),
        runtime,
      );
    },
  ],
  update: [
    "parameters",
    (self, args, runtime) => {
      for (const [name, value] of pairsOf(args.parameters ?? null, runtime)) putParameter(self, name, value, runtime);
      return null;
    },
  ],
  __setitem__: [
    "key, value",
    (self, args, runtime) => {
      putParameter(self, String(args.key), args.value ?? null, runtime);
      return null;
    },
  ],
  keys: ["", (self, _args, runtime) => new PyList([...stateOf(self, runtime).parameters.keys()])],
  values: ["", (self, _args, runtime) => new PyList(parametersOf(self, runtime).map(([, p]) => p))],
  items: ["", (self, _args, runtime) => pairList(parametersOf(self, runtime))],
});
