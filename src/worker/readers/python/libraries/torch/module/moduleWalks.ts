import { findMember } from "../../../values/members";
import { PyError, type PyObject, PyTensor, type Runtime, type Value } from "../../../values/values";
import { moduleClass, stateOf } from "./module";

/**
 * How Module.named_modules and its like go through a tree: lazily, as Python's generators do. A loop that adds modules
 * while it goes sees those that it has not come to yet.
 */

/** Real models nest a dozen levels. A walk that is so deep is one into what its own loop adds. */
const MAX_LEVELS = 300;

/** Items of one of a module's dicts, with Python's objections to changes of it on the way. */
export function* liveItems<T>(names: ReadonlyMap<string, T>, runtime: Runtime): Generator<[string, T]> {
  const { size } = names;
  const items = names.entries();
  for (let taken = 0; ; taken++) {
    if (names.size !== size)
      throw new PyError("RuntimeError", "dictionary changed size during iteration", runtime.place);
    const { done, value } = items.next();
    if (done) return;
    // One is gone, and another has come.
    if (taken === size) throw new PyError("RuntimeError", "dictionary keys changed during iteration", runtime.place);
    yield value;
  }
}

/** Which modules or tensors have been given: a set of ours, or one that the code passes along. */
export interface Memo<T> {
  has(item: T): boolean;
  add(item: T): unknown;
}

export interface Walk {
  readonly prefix?: string;
  readonly memo?: Memo<PyObject>;
  /** Give a module once, and not under each of its names. */
  readonly once?: boolean;
}

interface Level {
  readonly path: string;
  readonly children: Iterator<[string, PyObject | null]>;
}

const join = (prefix: string, name: string): string => (prefix ? `${prefix}.${name}` : name);

/** Module.named_modules: parents first. */
export function* walkModules(
  root: PyObject,
  runtime: Runtime,
  { prefix = "", memo = new Set(), once = true }: Walk = {},
): Generator<[string, PyObject]> {
  const levels: Level[] = [];
  let [path, module]: [string, PyObject] = [prefix, root];
  for (;;) {
    if (!memo.has(module)) {
      if (levels.length > MAX_LEVELS) throw endless(root, runtime);
      if (once) memo.add(module);
      yield [path, module];
      levels.push({ path, children: liveItems(stateOf(module, runtime).modules, runtime) });
    }
    for (;;) {
      const level = levels.at(-1);
      if (!level) return;
      const { done, value } = level.children.next();
      if (done) {
        levels.pop();
        continue;
      }
      const [name, child] = value;
      if (!child) continue;
      [path, module] = [join(level.path, name), child];
      const own = ownWalk(child);
      if (!own) break;
      yield* byMethod(own, child, path, once, runtime);
    }
  }
}

/** A class may list its modules in its own way. */
function ownWalk({ type }: PyObject): Value | undefined {
  if (type.builtin) return undefined;
  const member = findMember(type, "named_modules");
  return member === moduleClass.members.get("named_modules") ? undefined : member;
}

function* byMethod(
  method: Value,
  module: PyObject,
  path: string,
  once: boolean,
  runtime: Runtime,
): Generator<[string, PyObject]> {
  const named = new Map<string, Value>([
    ["prefix", path],
    ["remove_duplicate", once],
  ]);
  for (const pair of runtime.iterate(runtime.call(method, [module], named))) {
    const [name, part] = [...runtime.iterate(pair)];
    yield [String(name), part as PyObject];
  }
}

function endless(root: PyObject, runtime: Runtime): PyError {
  const message = "maximum recursion depth exceeded: the loop also visits the modules that it adds, so it never ends";
  // A later loop only finds what this one has left.
  const state = stateOf(root, runtime);
  if (!state.endless) runtime.certainly(`RecursionError: ${message}`, "error");
  state.endless = true;
  return new PyError("RecursionError", message, runtime.place);
}

/** Module.named_children. */
export function* walkChildren(root: PyObject, runtime: Runtime): Generator<[string, PyObject]> {
  const memo = new Set<PyObject>();
  for (const [name, child] of liveItems(stateOf(root, runtime).modules, runtime)) {
    if (!child || memo.has(child)) continue;
    memo.add(child);
    yield [name, child];
  }
}

/** Module.named_parameters and named_buffers. */
export function* walkTensors(
  root: PyObject,
  kind: "parameters" | "buffers",
  recurse: boolean,
  runtime: Runtime,
  { prefix = "", once = true }: Walk = {},
): Generator<[string, PyTensor]> {
  const memo = new Set<PyTensor>();
  const modules: Iterable<[string, PyObject]> = recurse
    ? walkModules(root, runtime, { prefix, once })
    : [[prefix, root]];
  for (const [path, module] of modules) {
    const state = stateOf(module, runtime);
    const own: ReadonlyMap<string, PyTensor | null | { readonly tensor: PyTensor | null }> = state[kind];
    for (const [name, held] of liveItems(own, runtime)) {
      const tensor = held instanceof PyTensor || held === null ? held : held.tensor;
      if (!tensor || memo.has(tensor)) continue;
      if (once) memo.add(tensor);
      yield [join(path, name), tensor];
    }
  }
}
