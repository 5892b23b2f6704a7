import assert from "node:assert/strict";
import { pythonMessage } from "../../../../../src/worker/readers/python/evaluate/errors";
import { PythonEvaluator } from "../../../../../src/worker/readers/python/evaluate/evaluator";
import { builtinScope } from "../../../../../src/worker/readers/python/evaluate/objects/builtins";
import { repr } from "../../../../../src/worker/readers/python/evaluate/objects/text";
import { execute } from "../../../../../src/worker/readers/python/evaluate/run/statements";
import { STANDARD_LIBRARY } from "../../../../../src/worker/readers/python/libraries/stdlib";
import { parse } from "../../../../../src/worker/readers/python/syntax/parse";
import { Source } from "../../../../../src/worker/readers/python/syntax/source";
import { DEFAULT_LIMITS } from "../../../../../src/worker/readers/python/values/limits";
import { Unknown } from "../../../../../src/worker/readers/python/values/unknown";
import { PyError } from "../../../../../src/worker/readers/python/values/values";
import { fixture, layersOf, modelNamed, readTorch } from "../reading";

const PRELUDE =
  "import math, itertools, functools, copy\nfrom collections import OrderedDict, namedtuple, defaultdict\n";

/** repr of `result` after running the source, or the error it ends in. */
async function outcome(source: string): Promise<string> {
  const text = PRELUDE + source;
  const module = await parse(text);
  assert.deepEqual(module.errors, []);
  const ev = new PythonEvaluator(
    new Source("a.py", text),
    DEFAULT_LIMITS,
    builtinScope(),
    (_, name) => STANDARD_LIBRARY.get(name) ?? { why: "", absent: false },
  );
  try {
    for (const statement of module.body) execute(ev, ev.globals, statement);
    const value = ev.globals.lookup("result");
    assert.ok(value !== undefined, "no result");
    const shown = repr(ev, value);
    return shown instanceof Unknown ? `unknown: ${shown.reason} ${ev.problems.map((p) => p.message).join()}` : shown;
  } catch (error) {
    if (error instanceof PyError) return pythonMessage(error);
    throw error;
  }
}

describe("python evaluator", () => {
  describe("agrees with CPython", () => {
    for (const [source, expected] of JSON.parse(fixture("semantics.json")) as [string, string][]) {
      const isProgram = source.includes("\n") || /^(raise|assert|result) /.test(source);
      it(source.split("\n").slice(0, 2).join(" / ").slice(0, 70), async () => {
        assert.equal(await outcome(isProgram ? source : `result = (${source})`), expected);
      });
    }
  });

  it("spreads what stands behind a star without parentheses", async () => {
    const source = `class M(nn.Module):
    def __init__(self):
        super().__init__()
        a, b, c = *torch.zeros(2, 3).shape, 4
        *d, e = *[[5], [6]][1], 7
        self.fc = nn.Linear(a * b, c + e + d[0])
`;
    assert.deepEqual(layersOf(modelNamed(await readTorch(source), "M")), ["fc Linear(6, 17)"]);
  });

  it("gives a class that derives from MutableMapping what the mixin gives", async () => {
    const source = `
from collections.abc import MutableMapping
class Table(MutableMapping):
    shared = {"a": 1}
    def __init__(self):
        self.own = {}
    def __getitem__(self, key):
        return self.own[key] if key in self.own else self.shared[key]
    def __setitem__(self, key, value):
        self.own[key] = value
    def __iter__(self):
        return iter({**self.shared, **self.own})
    def __len__(self):
        return len({**self.shared, **self.own})
    def find(self, key, default):
        return super().get(key, default)
t = Table()
t.update({"b": 2}, c=3)
t.update([("d", 4)])
result = [t.find("b", 0), t.find("z", 9), t.get("a"), "c" in t, "z" in t, t.setdefault("e", 5), t.setdefault("a", 6),
    list(t.keys()), list(t.values()), list(t.items())[1]]
`;
    // CPython 3.11's answer.
    assert.equal(
      await outcome(source),
      "[2, 9, 1, True, False, 5, 1, ['a', 'b', 'c', 'd', 'e'], [1, 2, 3, 4, 5], ('b', 2)]",
    );
  });

  it("does not compute whole numbers that a double cannot hold", async () => {
    assert.match(await outcome("result = 2 ** 60"), /^unknown: a whole number beyond 2\^53/);
  });

  it("refuses patterns that could take years to match", async () => {
    for (const pattern of ["(a+)+b", "(a|aa)*b", "((a?)){50}a", "a*a*a*a*b", "a?".repeat(30), "(?:x*y){2,}"]) {
      const run = outcome(`import re\nresult = re.match("${pattern}", "${"a".repeat(60)}")`);
      assert.match(await run, /^unknown: the pattern .* is not evaluated/, pattern);
    }
  });

  it("says that an import was not followed, and goes on", async () => {
    assert.match(
      await outcome("from config import SIZE\nresult = SIZE * 2"),
      /^unknown: the import of SIZE from config was not followed/,
    );
  });
});
