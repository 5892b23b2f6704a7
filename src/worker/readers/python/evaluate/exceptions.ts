import type { Evaluator } from "../values/evaluator";
import { builtinClass, OBJECT } from "../values/types";
import { type EvaluationError, Unknown } from "../values/unknown";
import { PyClass, PyError, PyNative, PyObject, PyTuple, type Value } from "../values/values";
import { truthyOf } from "./objects/iteration";
import { repr, str } from "./objects/text";

/** Python's exception classes, as far as model files name them: each after its base. */
const HIERARCHY: Record<string, string> = {
  BaseException: "object",
  Exception: "BaseException",
  KeyboardInterrupt: "BaseException",
  SystemExit: "BaseException",
  ArithmeticError: "Exception",
  ZeroDivisionError: "ArithmeticError",
  OverflowError: "ArithmeticError",
  AssertionError: "Exception",
  AttributeError: "Exception",
  FrozenInstanceError: "AttributeError",
  BufferError: "Exception",
  EOFError: "Exception",
  FloatingPointError: "ArithmeticError",
  MemoryError: "Exception",
  ReferenceError: "Exception",
  SystemError: "Exception",
  StopAsyncIteration: "Exception",
  GeneratorExit: "BaseException",
  ImportError: "Exception",
  ModuleNotFoundError: "ImportError",
  LookupError: "Exception",
  IndexError: "LookupError",
  KeyError: "LookupError",
  NameError: "Exception",
  UnboundLocalError: "NameError",
  OSError: "Exception",
  FileNotFoundError: "OSError",
  FileExistsError: "OSError",
  PermissionError: "OSError",
  TimeoutError: "OSError",
  ConnectionError: "OSError",
  RuntimeError: "Exception",
  NotImplementedError: "RuntimeError",
  RecursionError: "RuntimeError",
  StopIteration: "Exception",
  TypeError: "Exception",
  ValueError: "Exception",
  UnicodeError: "ValueError",
  UnicodeDecodeError: "UnicodeError",
  UnicodeEncodeError: "UnicodeError",
  Warning: "Exception",
  UserWarning: "Warning",
  DeprecationWarning: "Warning",
  FutureWarning: "Warning",
  PendingDeprecationWarning: "DeprecationWarning",
  RuntimeWarning: "Warning",
  SyntaxWarning: "Warning",
  ImportWarning: "Warning",
  ResourceWarning: "Warning",
};

/** Names of Python's that stand for another class. */
const ALIASES: Record<string, string> = { IOError: "OSError", EnvironmentError: "OSError" };

export const EXCEPTIONS = new Map<string, PyClass>();
for (const [name, base] of Object.entries(HIERARCHY)) {
  EXCEPTIONS.set(name, builtinClass(name, [base === "object" ? OBJECT : EXCEPTIONS.get(base)!]));
}
for (const [alias, name] of Object.entries(ALIASES)) EXCEPTIONS.set(alias, EXCEPTIONS.get(name)!);
const BASE = EXCEPTIONS.get("BaseException")!;
BASE.members.set(
  "__init__",
  new PyNative("__init__", "self, *args, **kwargs", ({ self, args }) => {
    (self as PyObject).attributes.set("args", args ?? new PyTuple([]));
    return null;
  }),
);

/** What `raise value` throws. */
export function raise(ev: Evaluator, value: Value): PyError | EvaluationError {
  const instance = value instanceof PyClass && value.mro.includes(BASE) ? ev.call(value, []) : value;
  if (instance instanceof Unknown) {
    return new PyError("Exception", `the exception is not known: ${instance.reason}`, ev.place);
  }
  if (!(instance instanceof PyObject) || !instance.type.mro.includes(BASE)) {
    return new PyError("TypeError", "exceptions must derive from BaseException", ev.place);
  }
  const args = instance.attributes.get("args");
  const items = args instanceof PyTuple ? args.items : [];
  let ofUnknown = false;
  const texts = items.map((item) => {
    const text = str(ev, item);
    if (typeof text === "string") return text;
    ofUnknown = true;
    return "<unknown>";
  });
  // KeyError alone shows its key as repr() does.
  if (items.length === 1 && instance.type.mro.includes(EXCEPTIONS.get("KeyError")!)) {
    const key = repr(ev, items[0]!);
    if (typeof key === "string") texts[0] = key;
  }
  const message = texts.length > 1 ? `(${texts.join(", ")})` : (texts[0] ?? "");
  const error = new PyError(instance.type.name, message, ev.place, instance);
  error.ofUnknown = ofUnknown;
  return error;
}

export function classOfError(_ev: Evaluator, error: PyError): PyClass {
  return error.value?.type ?? EXCEPTIONS.get(error.type) ?? EXCEPTIONS.get("Exception")!;
}

/** The exception as the value that `except ... as e` binds. */
export function errorValue(ev: Evaluator, error: PyError): PyObject {
  if (error.value) return error.value;
  const object = new PyObject(classOfError(ev, error), error.place);
  object.attributes.set("args", new PyTuple(error.message === "" ? [] : [error.message]));
  return object;
}

/** Calls `__exit__` with what went wrong: a true result ends the exception there. */
export function endsThere(ev: Evaluator, exit: Value, error: PyError | EvaluationError): boolean {
  const isPython = error instanceof PyError;
  const given = isPython ? [classOfError(ev, error), errorValue(ev, error), null] : [null, null, null];
  const ended = truthyOf(ev, ev.call(exit, given)) === true;
  return isPython && ended;
}
