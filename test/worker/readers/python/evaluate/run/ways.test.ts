import assert from "node:assert/strict";
import { PythonEvaluator } from "../../../../../../src/worker/readers/python/evaluate/evaluator";
import { builtinScope } from "../../../../../../src/worker/readers/python/evaluate/objects/builtins";
import { repr } from "../../../../../../src/worker/readers/python/evaluate/objects/text";
import { Recorder } from "../../../../../../src/worker/readers/python/evaluate/recorder";
import { execute } from "../../../../../../src/worker/readers/python/evaluate/run/statements";
import { LimitError } from "../../../../../../src/worker/readers/python/evaluate/scope";
import { parse } from "../../../../../../src/worker/readers/python/syntax/parse";
import { Source } from "../../../../../../src/worker/readers/python/syntax/source";
import { DEFAULT_LIMITS } from "../../../../../../src/worker/readers/python/values/limits";
import { fixture } from "../../reading";
import { ALL_WAYS, asRun, randomProgram, type Way } from "./randomPrograms";

/**
 * Statements are run in three ways: one by one, as parts of a generator's body, and as compiled loops. All three are
 * Python.
 */

const LIMITS = { ...DEFAULT_LIMITS, steps: 200_000 };
const NO_MODULE = { why: "", absent: false };

/** repr of `result` at the end of the module, and what the evaluator could not do; undefined if it takes too long. */
async function resultOf(program: string, way: Way): Promise<string | undefined> {
  const source = asRun(program, way);
  const module = await parse(source);
  assert.deepEqual(module.errors, []);
  const ev = new PythonEvaluator(new Source("a.py", source), LIMITS, builtinScope(), () => NO_MODULE);
  if (way !== "loops") ev.recorder = new Recorder();
  try {
    for (const statement of module.body) execute(ev, ev.globals, statement);
  } catch (error) {
    if (error instanceof LimitError) return undefined;
    throw error;
  }
  const shown = repr(ev, ev.globals.lookup("result") ?? null);
  return [String(shown), ...ev.problems.map(({ message }) => message)].join("\n");
}

describe("statements, bodies of generators and compiled loops", () => {
  for (const way of ALL_WAYS) {
    it(`give what CPython gives for random programs, run as ${way}`, async () => {
      const entries = JSON.parse(fixture("random.json")) as [string, string][];
      assert.ok(entries.length >= 200);
      for (const [program, expected] of entries) assert.equal(await resultOf(program, way), expected, `\n${program}\n`);
    });
  }

  it("give the same for other random programs", async () => {
    const seeds = Array.from({ length: 60 }, (_, i) => 1000 + i);
    let compared = 0;
    for (const seed of seeds) {
      const program = randomProgram(seed);
      const results = await Promise.all(ALL_WAYS.map((way) => resultOf(program, way)));
      if (results.includes(undefined)) continue;
      compared++;
      for (const result of results) assert.equal(result, results[0], `\nseed ${seed}\n${program}\n`);
    }
    assert.ok(compared > seeds.length / 2, `${compared}`);
  });
});
