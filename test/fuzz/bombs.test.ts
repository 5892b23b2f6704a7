import assert from "node:assert/strict";
import { openModelFile } from "../../src/worker/readers/open";
import { EXPRESSIONS, STATEMENTS, TFJS_HOSTILE } from "./hostile";
import { ask } from "./readings";
import { LIMITS } from "./targets";

/**
 * Sources that ask for more than there is. Each ends within the limits of steps, depth and sizes, none of which is a
 * clock, and says which limit it met. What is around it is still read.
 */

const IMPORTS = `import collections, contextlib, copy, dataclasses, enum, functools, itertools, math, os, re
import einops
import torch
import torch.nn as nn
import torch.nn.functional as F
`;
const GOOD =
  "class Good(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.a = nn.Linear(1, 2)\n";

async function problemsOf(source: string): Promise<string[]> {
  const text = `${IMPORTS}${source}\n${GOOD}`;
  const opened = await openModelFile("bomb.py", text, LIMITS);
  ask(opened);
  assert.ok(
    opened.models.some((model) => model.className === "Good"),
    "the class after it is read",
  );
  return opened.problems.map(({ message }) => message);
}

const inForward = (body: string) => `class Net(nn.Module):
    def forward(self, x):
        ${body.replaceAll("\n", "\n        ")}
        return x
Net()(torch.ones(2, 3))
`;

const STEPS = /evaluation stopped here after [\d,]+ steps/;
const DEPTH = /more than 60 calls deep|nested too deeply/;
const LONG = /is longer than the 1,000,000 the reader holds/;
const LISTED = /making [\d,]+ (?:numbers|tensors) one by one is not supported; the most is [\d,]+/;

const BOMBS: readonly (readonly [source: string, says: RegExp])[] = [
  ["while True:\n    pass", STEPS],
  ["for i in range(10**9):\n    pass", STEPS],
  ["for i in range(10**9):\n    for j in range(10**9):\n        pass", STEPS],
  ["a = sum(range(10**12))", STEPS],
  ["a = max(x for x in range(10**12))", STEPS],
  ["a = sorted(range(10**10))", STEPS],
  ["a = set(range(10**10))", STEPS],
  ["a = [i for i in range(10**4) for j in range(10**4) for k in range(10**4)]", STEPS],
  ["import itertools\na = list(itertools.count())", STEPS],
  ["import itertools\na = list(itertools.product(range(10), repeat=50))", STEPS],
  ["import itertools\na = list(itertools.product(repeat=10**9))", LONG],
  ["import itertools\na = list(itertools.product([1], repeat=10**9))", LONG],
  ["def g():\n    while True:\n        yield 1\na = sum(g())", STEPS],
  ["a = list(range(10**5))\nfor _ in range(10**4):\n    sum(a)", STEPS],
  ["a = list(range(10**4))\nfor _ in range(10**6):\n    a.index(9999)", STEPS],
  ["a = 'ab' * 10**5\nfor _ in range(10**6):\n    a.upper()", STEPS],
  ["d = {str(i): i for i in range(500)}\nfor _ in range(10**6):\n    d.copy()", STEPS],
  ["def fib(n):\n    return fib(n - 1) + fib(n - 2) if n > 1 else n\nfib(50)", STEPS],
  ["def f(n):\n    return f(n + 1)\nf(0)", DEPTH],
  ["def g(n):\n    yield n\n    yield from g(n + 1)\nlist(g(0))", DEPTH],
  ["class A:\n    def __repr__(self):\n        return repr(self)\nrepr(A())", DEPTH],
  ["class A:\n    def __eq__(self, o):\n        return self == o\nA() == A()", DEPTH],
  [
    "class A:\n    def __hash__(self):\n        return hash(self)\n    def __getattr__(self, n):\n        return getattr(self, n + 'x')\nA().y",
    DEPTH,
  ],
  ["class M(type):\n    def __call__(cls):\n        return cls()\nclass A(metaclass=M):\n    pass\nA()", DEPTH],
  ["def f(*a):\n    return f(*a, *a)\nf(1, 2)", /a list of arguments of .* is longer|more than 60 calls|stopped here/],
  ["a = [0] * 10**12", LONG],
  ["a = 'a' * 10**10", LONG],
  ["a = (0,) * 10**12", LONG],
  ["a = f'{1:>1000000000}'", LONG],
  ["a = '%1000000000d' % 1", LONG],
  ["a = '{:>999999999}'.format(1)", LONG],
  ["a = 'x'.center(10**10)", LONG],
  ["a = 'ab'\nwhile True:\n    a += a", /is longer than|stopped here/],
  ["a = {0: 0}\nwhile True:\n    a.update({k + len(a): v for k, v in a.items()})", STEPS],
  [
    "a = b = ()\nfor _ in range(60):\n    a, b = (a, a), (b, b)\nc = {a: 1}",
    /a tuple this large is not supported as a key/,
  ],
  ["a, b = [], []\nfor _ in range(60):\n    a, b = [a, a], [b, b]\nc = a == b", /stopped here|not compared/],
  ["a, b = {0: 0}, {0: 0}\nfor _ in range(60):\n    a, b = {0: a, 1: a}, {0: b, 1: b}\nc = a == b", /not compared/],
  ["A = object\nfor _ in range(10**4):\n    class A(A): pass", /classes above it|stopped here/],
  ["a = torch.linspace(0, 1, 10**9)", LISTED],
  ["a = torch.ones(10**7).unbind()", LISTED],
  ["a = torch.ones(10**7, 1).split(1)", LISTED],
  ["a = torch.combinations(torch.arange(1000), 5)", LISTED],
  ["a = torch.stack([torch.ones(3)] * 20_000)", LISTED],
  ["a = F.unfold(torch.ones(1, 1, 4000, 4000), 2000)", LISTED],
  ["a = nn.LSTM(3, 3, num_layers=10**9)", LISTED],
  ["a = nn.Transformer(num_encoder_layers=10**6)", LISTED],
  ["a = nn.init.eye_(torch.empty(10**5, 10**5))", LISTED],
  ["a = nn.ModuleList([nn.Linear(1, 1)] * 10**8)", LONG],
  ["a = nn.ModuleList(nn.Linear(1, 1) for _ in range(10**8))", STEPS],
  ["a = chr(10**9)", /chr\(\) arg not in range/],
  [
    "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        m = nn.ReLU()\n        for _ in range(60):\n            m = nn.Sequential(m, m)\n        self.m = m",
    /the modules of Net are not listed: it has more than 400,000 modules/,
  ],
  [
    "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        m = nn.ReLU()\n        for _ in range(400):\n            m = nn.Sequential(m)\n        self.m = m",
    /the modules of Net are not listed: its modules are nested more than 300 levels deep/,
  ],
];

/** In forward nothing is said until it is traced: by a trace and by the shapes in the editor, which is what is bounded here. */
const FORWARD: readonly (readonly [body: string, says: RegExp])[] = [
  ["while True:\n    x = x + 1", STEPS],
  ["for _ in range(10**9):\n    x = x * 2", STEPS],
  ["while x.sum() > 0:\n    x = x - 1", /depends on the tensor's values/],
  ["for _ in range(200):\n    x = torch.cat([x, x])", /has too many elements for any memory/],
  ["x = torch.index_select(x, 0, x.flatten())", /RuntimeError: indices must be int64 or int32, not float32/],
  ["x = self(x)", DEPTH],
];

describe("bombs", function () {
  this.timeout(120_000);

  for (const [source, says] of BOMBS) {
    it(`${says.source}: ${source.replaceAll("\n", "; ").slice(0, 160)}`, async () => {
      const found = await problemsOf(source);
      assert.ok(
        found.some((message) => says.test(message)),
        found.join("\n") || "nothing was said",
      );
    });
  }

  for (const [body, says] of FORWARD) {
    it(`in forward, ${says.source}: ${body.replaceAll("\n", "; ")}`, async () => {
      const opened = await openModelFile("bomb.py", IMPORTS + inForward(body), LIMITS);
      assert.throws(() => opened.models[0]!.trace(), says);
      const { problem } = opened.models[0]!.shapes!();
      assert.match(problem?.message ?? "", says);
    });
  }

  // Too large to be held, these are unknown: said where a layer needs them.
  for (const number of ["2 ** 10**9", "10**10**10", "1 << 10**9", "(1).bit_length() << 10**9", "len(bytes(10**12))"]) {
    it(`gives no value for the number ${number}`, async () => {
      const source = `class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(${number}, 2)\n`;
      const { models, problems } = await openModelFile("bomb.py", IMPORTS + source, LIMITS);
      assert.equal(models[0]?.root.children[0]?.inFeatures, undefined);
      assert.notEqual(problems.length, 0, "nothing was said");
    });
  }

  it("ends for deeply nested parentheses and giant whole numbers", async () => {
    await problemsOf(`a = ${"(".repeat(5000)}1${")".repeat(5000)}`);
    await problemsOf(`a = ${"9".repeat(100_000)}`);
  });

  it("refuses to draw more initial values than there is memory", async () => {
    const source = `${IMPORTS}class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(10**6, 10**6)\n`;
    const { models } = await openModelFile("bomb.py", source, LIMITS);
    assert.throws(() => models[0]!.initialize(0), /has 1,000,001,000,000 initial values, more than the 4,294,967,296/);
  });

  /** What people would never write, in the constructor and in forward: whatever it says, it ends, and no defect shows. */
  it(`ends for each of ${STATEMENTS.length + EXPRESSIONS.length} hostile statements and expressions`, async () => {
    for (const hostile of [...STATEMENTS, ...EXPRESSIONS.map((e) => `x = x + (${e})`)]) {
      const body = hostile.replaceAll("\n", "\n        ");
      const text = `${IMPORTS}class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 3)
        x = torch.ones(2, 3)
        ${body}
    def forward(self, x):
        ${body}
        return self.fc(x)
Net()(torch.ones(2, 3))
`;
      ask(await openModelFile("bomb.py", text, { ...LIMITS, steps: 4000 }));
    }
  });

  it("ends for hostile JavaScript", async () => {
    for (const hostile of TFJS_HOSTILE) {
      const text = `import * as tf from '@tensorflow/tfjs';\nconst model = tf.sequential();\nlet x;\n${hostile}\n`;
      ask(await openModelFile("bomb.js", text, LIMITS));
    }
  });
});
