import { deepCopy } from "../libraries/stdlib/copy";
import { isModule } from "../libraries/torch";
import type { Evaluator } from "../values/evaluator";
import { Unknown } from "../values/unknown";
import { type Given, type PyClass, PyObject, type Value } from "../values/values";

/** Arguments of watched constructors while the file was evaluated: how the code makes the class. */

/** Records the call: the first whose arguments are all known, else the one with the most known arguments. */
export function noteConstruction(
  ev: Evaluator,
  type: PyClass,
  args: readonly Value[],
  kwargs: ReadonlyMap<string, Value>,
): void {
  if (ev.constructed.has(type)) return;
  const given = [...args, ...kwargs.values()];
  const known = given.filter((value) => !(value instanceof Unknown)).length;
  if (known === given.length)
    ev.constructed.set(type, { args, kwargs, before: beforeCall(ev, args, kwargs), inMain: ev.inMain });
  else note(ev, type, args, kwargs, known, false);
}

/** `super().__init__(64, 10)`: what a subclass makes of the class, where nothing makes the class itself. */
export function noteInherited(
  ev: Evaluator,
  type: PyClass | undefined,
  [self, ...args]: readonly Value[],
  kwargs: ReadonlyMap<string, Value>,
): void {
  if (!type || !ev.watched.has(type) || !(self instanceof PyObject) || self.type === type) return;
  const given = [...args, ...kwargs.values()];
  const known = given.filter((value) => !(value instanceof Unknown)).length;
  note(ev, type, args, kwargs, known, known === given.length);
}

function note(
  ev: Evaluator,
  type: PyClass,
  args: readonly Value[],
  kwargs: ReadonlyMap<string, Value>,
  known: number,
  whole: boolean,
): void {
  const best = ev.noted.get(type);
  if (known === 0 || (best && (best.whole || (!whole && known <= best.known)))) return;
  ev.noted.set(type, { before: beforeCall(ev, args, kwargs), known, whole, inMain: ev.inMain });
}

/** Copies of the arguments: `__init__` may fill in a configuration, and a second call with that may be refused. */
function beforeCall(ev: Evaluator, args: readonly Value[], kwargs: ReadonlyMap<string, Value>): Given {
  const done = new Map<Value, Value>();
  const copy = (value: Value): Value => (isModule(value) ? value : deepCopy(ev, value, done));
  return { args: args.map(copy), kwargs: new Map([...kwargs].map(([name, value]) => [name, copy(value)])) };
}
