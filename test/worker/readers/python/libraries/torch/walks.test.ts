import assert from "node:assert/strict";
import { PythonEvaluator } from "../../../../../../src/worker/readers/python/evaluate/evaluator";
import { builtinScope } from "../../../../../../src/worker/readers/python/evaluate/objects/builtins";
import { repr } from "../../../../../../src/worker/readers/python/evaluate/objects/text";
import { execute } from "../../../../../../src/worker/readers/python/evaluate/run/statements";
import { TORCH_MODULES } from "../../../../../../src/worker/readers/python/libraries/torch";
import { parse } from "../../../../../../src/worker/readers/python/syntax/parse";
import { Source } from "../../../../../../src/worker/readers/python/syntax/source";
import { dictGet } from "../../../../../../src/worker/readers/python/values/equality";
import type { Evaluator } from "../../../../../../src/worker/readers/python/values/evaluator";
import { DEFAULT_LIMITS } from "../../../../../../src/worker/readers/python/values/limits";
import type { PyDict } from "../../../../../../src/worker/readers/python/values/values";
import { fixture, layersOf, messages, modelNamed, readTorch } from "../../reading";

describe("a loop over modules that changes them", () => {
  let answers: PyDict;
  let ev: Evaluator;
  before(async () => {
    const text = fixture("walks.py");
    ev = new PythonEvaluator(
      new Source("walks.py", text),
      DEFAULT_LIMITS,
      builtinScope(),
      (_, name) => TORCH_MODULES.get(name) ?? { why: "", absent: false },
    );
    for (const statement of (await parse(text)).body) execute(ev, ev.globals, statement);
    assert.deepEqual(ev.problems, []);
    answers = ev.globals.lookup("ANSWERS") as PyDict;
  });

  for (const [name, expected] of Object.entries(JSON.parse(fixture("walks.json")) as Record<string, string>)) {
    it(`${name}: ends as it does in PyTorch`, () => {
      assert.equal(repr(ev, dictGet(answers, name)!), expected);
    });
  }

  const net = (change: string) =>
    readTorch(`class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)
net = Net()
for name, module in net.named_modules():
    if isinstance(module, nn.Linear)${change}:
        module.extra = nn.Linear(8, 8)
`);

  it("sees the modules that it adds", async () => {
    const file = await net(' and name.count(".") < 2');
    assert.deepEqual(messages(file), []);
    const model = modelNamed(file, "net");
    assert.equal(model.root.parameters, 216);
    assert.deepEqual(layersOf(model), ["fc.extra.extra Linear(8, 8)"]);
  });

  it("that visits all modules that it adds raises Python's RecursionError, at the loop", async () => {
    const file = await net("");
    assert.deepEqual(
      file.problems
        .filter(({ severity }) => severity === "error")
        .map(({ place, message }) => [place.line, place.column, message]),
      [
        [
          9,
          21,
          "RecursionError: maximum recursion depth exceeded: the loop also visits the modules that it adds, so it never ends",
        ],
      ],
    );
  });

  it("that never ends is also reported in a main guard, and the model is shown without it", async () => {
    const file = await readTorch(`class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)
def adapt(model):
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.extra = nn.Linear(8, 8)
if __name__ == "__main__":
    model = nn.Sequential(Net(), nn.Linear(8, 2))
    adapt(model)
    for p in model.parameters():
        p.requires_grad = False
`);
    const errors = file.problems.filter(({ severity }) => severity === "error");
    assert.deepEqual(
      errors.map(({ place }) => place.line),
      [9],
    );
    assert.match(errors[0]!.message, /^RecursionError: maximum recursion depth exceeded/);
    assert.deepEqual(layersOf(modelNamed(file, "model")), ["0.fc Linear(8, 8)", "1 Linear(8, 2)"]);
  });
});
