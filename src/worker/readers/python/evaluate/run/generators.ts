import type { Evaluator } from "../../values/evaluator";
import { evaluatorOf } from "../../values/native";
import { PyError, PyGenerator, PyNative, PyObject, PyTuple, type Value } from "../../values/values";
import { EXCEPTIONS, raise } from "../exceptions";
import type { Scope } from "../scope";

/** Code that pauses at each yield: it yields values, receives sent ones, and ends with its return value. */
export type Body<T> = Generator<Value, T, Value>;

/** A generator of the source, or a generator expression: its frame runs when a value is asked for, and only then. */
export class PySuspended extends PyGenerator {
  private state: "created" | "suspended" | "running" | "ended" = "created";

  constructor(
    private readonly ev: Evaluator,
    private readonly scope: Scope,
    private readonly body: Body<Value>,
    /** Called before the frame resumes, since the stack below it differs each time. */
    private readonly resumed: () => void = () => undefined,
  ) {
    super([]);
  }

  override next(): IteratorResult<Value, Value> {
    return this.resume(() => this.body.next(null));
  }

  send(value: Value): IteratorResult<Value, Value> {
    if (this.state === "created" && value !== null) {
      throw new PyError("TypeError", "can't send non-None value to a just-started generator");
    }
    return this.resume(() => this.body.next(value));
  }

  throw(error: PyError): IteratorResult<Value, Value> {
    return this.resume(() => this.body.throw(error));
  }

  /** Runs what stands in `finally` around the yield, as Python does when a generator is closed. */
  close(): void {
    if (this.state === "ended") return;
    if (this.state === "created") {
      this.state = "ended";
      return;
    }
    const restore = this.ev.mark();
    try {
      if (this.throw(new PyError("GeneratorExit", "")).done) return;
    } catch (error) {
      if (!(error instanceof PyError) || (error.type !== "GeneratorExit" && error.type !== "StopIteration"))
        throw error;
      restore();
      return;
    }
    throw new PyError("RuntimeError", "generator ignored GeneratorExit");
  }

  private resume(run: () => IteratorResult<Value, Value>): IteratorResult<Value, Value> {
    if (this.state === "running") throw new PyError("ValueError", "generator already executing");
    const { ev } = this;
    const { span } = ev;
    ev.step();
    this.state = "running";
    let result: IteratorResult<Value, Value>;
    try {
      result = ev.inFrame(this.scope, () => {
        this.resumed();
        return run();
      });
    } catch (error) {
      this.state = "ended";
      if (error instanceof PyError && error.type === "StopIteration") {
        throw new PyError("RuntimeError", "generator raised StopIteration", error.place);
      }
      throw error;
    }
    this.state = result.done ? "ended" : "suspended";
    ev.span = span;
    return result;
  }
}

/** What next() raises at a generator's end. Its value is what the generator returned. */
export function stopIteration(value: unknown): PyError {
  const result = (value ?? null) as Value;
  const object = new PyObject(EXCEPTIONS.get("StopIteration")!, undefined);
  object.attributes.set("args", new PyTuple(result === null ? [] : [result]));
  object.attributes.set("value", result);
  return new PyError("StopIteration", "", undefined, object);
}

/** Methods of a generator of the source. */
export const GENERATOR_METHODS: ReadonlyMap<string, PyNative> = new Map(
  [
    new PyNative("__iter__", "self", ({ self }) => self!),
    new PyNative("__next__", "self", ({ self }) => given((self as PyGenerator).next())),
    new PyNative("send", "self, value", ({ self, value }) =>
      self instanceof PySuspended ? given(self.send(value!)) : missing("send"),
    ),
    new PyNative("throw", "self, type, value=None, traceback=None", ({ self, type, value }, runtime) => {
      if (!(self instanceof PySuspended)) return missing("throw");
      const ev = evaluatorOf(runtime);
      const raised = value === null || !(value instanceof PyObject) ? type! : value!;
      const error = raise(ev, raised);
      if (!(error instanceof PyError)) throw error;
      return given(self.throw(error));
    }),
    new PyNative("close", "self", ({ self }) => {
      if (!(self instanceof PySuspended)) return missing("close");
      self.close();
      return null;
    }),
  ].map((method) => [method.name, method]),
);

function given(result: IteratorResult<Value, unknown>): Value {
  if (result.done) throw stopIteration(result.value);
  return result.value;
}

function missing(name: string): never {
  throw new PyError("AttributeError", `this iterator has no attribute '${name}'`);
}
