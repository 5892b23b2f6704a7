import assert from "node:assert/strict";
import { PythonEvaluator } from "../../../../../src/worker/readers/python/evaluate/evaluator";
import { builtinScope } from "../../../../../src/worker/readers/python/evaluate/objects/builtins";
import { executeBlock } from "../../../../../src/worker/readers/python/evaluate/run/statements";
import { LimitError } from "../../../../../src/worker/readers/python/evaluate/scope";
import { parse } from "../../../../../src/worker/readers/python/syntax/parse";
import { Source } from "../../../../../src/worker/readers/python/syntax/source";
import { DEFAULT_LIMITS } from "../../../../../src/worker/readers/python/values/limits";
import { PyError, type Value } from "../../../../../src/worker/readers/python/values/values";

const SOURCE = `
def good():
    return 5
def bad():
    for i in range(3):
        good() + [0][i]
def endless():
    while True: pass
`;

async function evaluator(): Promise<{ ev: PythonEvaluator; call: (name: string) => Value }> {
  const module = await parse(SOURCE);
  const ev = new PythonEvaluator(new Source("a.py", SOURCE), DEFAULT_LIMITS, builtinScope(), () => ({
    why: "",
    absent: false,
  }));
  executeBlock(ev, ev.globals, module.body);
  return { ev, call: (name) => ev.call(ev.globals.lookup(name)!, []) };
}

describe("an attempt to evaluate", () => {
  it("gives the value", async () => {
    const { ev, call } = await evaluator();
    assert.deepEqual(
      ev.attempt(() => call("good")),
      { value: 5, error: undefined, problems: [] },
    );
  });

  it("gives Python's error with its place, and puts the counters back", async () => {
    const { ev, call } = await evaluator();
    const { nesting, frame, span } = ev;
    const { value, error } = ev.attempt(() => call("bad"));
    assert.equal(value, undefined);
    assert.ok(error instanceof PyError && error.type === "IndexError");
    assert.equal(error.place?.line, 6);
    assert.deepEqual([ev.nesting, ev.frame, ev.span], [nesting, frame, span]);
  });

  it("returns the problems to its caller, and reports none", async () => {
    const { ev } = await evaluator();
    const { value, problems } = ev.attempt(() => {
      ev.problem("this is not supported", "error");
      return 6;
    });
    assert.equal(value, 6);
    assert.deepEqual(
      problems.map(({ message }) => message),
      ["this is not supported"],
    );
    assert.deepEqual(ev.problems, []);
  });

  it("ends with a limit where it takes more than its own steps", async () => {
    const { ev, call } = await evaluator();
    const { error } = ev.attempt(() => call("endless"), 1000);
    assert.ok(error instanceof LimitError);
    // The steps of the reading go on.
    assert.equal(ev.attempt(() => call("good")).value, 5);
  });
});
