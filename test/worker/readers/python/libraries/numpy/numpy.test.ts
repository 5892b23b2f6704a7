import assert from "node:assert/strict";
import { PythonEvaluator } from "../../../../../../src/worker/readers/python/evaluate/evaluator";
import { builtinScope } from "../../../../../../src/worker/readers/python/evaluate/objects/builtins";
import { repr } from "../../../../../../src/worker/readers/python/evaluate/objects/text";
import { execute } from "../../../../../../src/worker/readers/python/evaluate/run/statements";
import { NUMPY_MODULES } from "../../../../../../src/worker/readers/python/libraries/numpy";
import { STANDARD_LIBRARY } from "../../../../../../src/worker/readers/python/libraries/stdlib";
import { parse } from "../../../../../../src/worker/readers/python/syntax/parse";
import { Source } from "../../../../../../src/worker/readers/python/syntax/source";
import { DEFAULT_LIMITS } from "../../../../../../src/worker/readers/python/values/limits";
import { Unknown } from "../../../../../../src/worker/readers/python/values/unknown";
import { PyError } from "../../../../../../src/worker/readers/python/values/values";
import { fixture, layersOf, messages, modelNamed, readTorch } from "../../reading";

/** repr of `result`, or the type of the error that the source ends in. */
async function outcome(source: string): Promise<string> {
  const text = `import numpy as np\n${source}`;
  const ev = new PythonEvaluator(
    new Source("a.py", text),
    DEFAULT_LIMITS,
    builtinScope(),
    (_, name) => NUMPY_MODULES.get(name) ?? STANDARD_LIBRARY.get(name) ?? { why: "", absent: false },
  );
  try {
    for (const statement of (await parse(text)).body) execute(ev, ev.globals, statement);
    const shown = repr(ev, ev.globals.lookup("result") ?? null);
    return shown instanceof Unknown ? `unknown: ${shown.reason} ${ev.problems.map((p) => p.message).join()}` : shown;
  } catch (error) {
    if (error instanceof PyError) return error.type;
    throw error;
  }
}

/** Numbers may differ in the last digits: C's and JavaScript's sines do. */
function near(actual: string, expected: string): boolean {
  const number = /-?\d+(?:\.\d+)?(?:e-?\d+)?/g;
  if (actual.replace(number, "#") !== expected.replace(number, "#")) return false;
  const [found, wanted] = [actual.match(number) ?? [], expected.match(number) ?? []];
  return wanted.every((text, i) => {
    const [a, b] = [Number(found[i]), Number(text)];
    return text.includes(".") === found[i]!.includes(".") && Math.abs(a - b) <= 4e-16 * Math.max(1, Math.abs(b));
  });
}

describe("numpy", () => {
  for (const [source, expected] of JSON.parse(fixture("numpy.json")) as [string, string][]) {
    it(source.slice(0, 80), async () => {
      const actual = await outcome(source.includes("; ") ? source : `result = (${source})`);
      assert.ok(near(actual, expected), `${actual} is not ${expected}`);
    });
  }

  it("gives tensors its numbers and takes those of tensors", async () => {
    const source = `import numpy as np
class M(nn.Module):
    def __init__(self):
        super().__init__()
        rates = [x.tolist() for x in torch.Tensor(np.linspace(0, 0.3, 4)).split([2, 2])]
        table = torch.from_numpy(np.zeros((3, 5), dtype=np.float32))
        self.register_buffer("table", table)
        self.fc = nn.Linear(len(rates[1]) * int(np.prod(table.shape)), torch.tensor(np.array([7, 8]))[1].item())
        self.out = nn.Linear(int(torch.arange(4).numpy().sum()), torch.LongTensor(np.arange(3)).shape[0])
`;
    const opened = await readTorch(source);
    assert.deepEqual(layersOf(modelNamed(opened, "M")), ["fc Linear(30, 8)", "out Linear(6, 3)"]);
    assert.deepEqual(messages(opened), []);
  });

  it("names what is missing", async () => {
    const opened = await readTorch(`import numpy as np
class M(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(np.busday_count(1, 2), 3)
        self.out = nn.Linear(np.arange(3).byteswap(), 3)
`);
    assert.match(messages(opened).join("\n"), /numpy\.busday_count is not known to the reader/);
    assert.match(messages(opened).join("\n"), /numpy\.ndarray\.byteswap is not known to the reader/);
  });
});
