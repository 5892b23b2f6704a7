import assert from "node:assert/strict";
import { layersOf, messages, modelNamed, readTorch } from "../reading";

const GOOD = `
class Good(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(1, 2)
`;

/** Reads a file with trouble on line 4 and a good class after it, which must still be there. */
async function troubled(source: string): Promise<string[]> {
  const opened = await readTorch(source + GOOD);
  assert.deepEqual(layersOf(modelNamed(opened, "Good")), ["a Linear(1, 2)"]);
  return messages(opened);
}

describe("python reader: limits", function () {
  this.timeout(30_000);

  it("ends an endless loop and names its line", async () => {
    const [message] = await troubled("while True:\n    pass\n");
    assert.match(message!, /^[45]: evaluation stopped here after 1,000,000 steps: is this an endless loop\?$/);
  });

  it("ends an endless loop in a constructor, keeping the layers before it", async () => {
    const opened = await readTorch(`
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(1, 2)
        n = 1
        while n > 0:
            n += 1
${GOOD}`);
    assert.match(messages(opened)[0]!, /^1[01]: evaluation stopped here/);
    assert.deepEqual(layersOf(modelNamed(opened, "Net")), ["a Linear(1, 2)"]);
    assert.deepEqual(layersOf(modelNamed(opened, "Good")), ["a Linear(1, 2)"]);
  });

  it("ends endless recursion of functions, methods, properties and lambdas", async () => {
    for (const source of [
      "def f(n):\n    return f(n + 1)\nf(0)\n",
      "class A:\n    @property\n    def x(self):\n        return self.x\nA().x\n",
      "class A:\n    def __getattr__(self, n):\n        return getattr(self, n + 'x')\nA().y\n",
      "g = lambda n: [h(m) for m in [n]]\nh = lambda n: max([n], key=g)\nh(1)\n",
      "class A:\n    def __add__(self, o):\n        return self + o\nA() + 1\n",
      "class A:\n    def __len__(self):\n        return len(self)\nbool(A())\n",
      "class A:\n    def __iter__(self):\n        return iter(self)\nlist(A())\n",
    ]) {
      const found = await troubled(source);
      assert.ok(
        found.some((m) => /calls deep|nested too deeply/.test(m)),
        `${source}\n${found.join("\n")}`,
      );
    }
  });

  it("ends a module that constructs itself", async () => {
    const opened = await readTorch(`
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(1, 2)
        self.inner = Net()
${GOOD}`);
    assert.ok(messages(opened).some((m) => /calls deep|nested too deeply/.test(m)));
    assert.deepEqual(layersOf(modelNamed(opened, "Good")), ["a Linear(1, 2)"]);
  });

  it("survives an expression nested deeper than any stack", async () => {
    await troubled(`x = ${"(".repeat(3000)}1${")".repeat(3000)}\n`);
    await troubled(`x = ${"1 + ".repeat(3000)}1\n`);
    await troubled(`x = ${"[".repeat(3000)}${"]".repeat(3000)}\n`);
    await troubled(`x = ${"-".repeat(5000)}1\n`);
  });

  it("does not build giant lists and strings", async () => {
    for (const source of [
      "x = [0] * 10**12\n",
      'x = "a" * 10**10\n',
      "x = list(range(10**12))\n",
      "x = [i for i in range(10**12)]\n",
      "x = [0] * 999999\nfor i in range(10**6):\n    y = x + x\n",
      "x = 'ab'\nwhile True:\n    x = x + x\n",
      "x = []\nwhile True:\n    x.append(x)\n",
      "x = []\nwhile True:\n    x += [1] * 1000\n",
      'x = f"{1:>999999999999}"\n',
      "x = ' '.join(['a'] * 900000)\ny = x.replace('a', x)\n",
      "import itertools\nx = list(itertools.count())\n",
      "import itertools\nx = list(itertools.cycle([1]))\n",
      "x = 'a'.ljust(10**12)\n",
      "x = sum([[1] * 100000] * 100000, [])\n",
    ]) {
      const found = await troubled(source);
      assert.ok(
        found.some((m) => /is longer than the|evaluation stopped here/.test(m)),
        `${source}\n${found.join("\n")}`,
      );
    }
  });

  it("iterates lazily over a giant range that is left early", async () => {
    assert.deepEqual(
      await troubled("for i in range(10**12):\n    if i == 5:\n        break\nn = len(range(10**12))\n"),
      [],
    );
  });

  it("stops when it is cancelled", async () => {
    const cancel = new Int32Array(new SharedArrayBuffer(4));
    cancel[0] = 1;
    const opened = await readTorch(`while True:\n    pass\n${GOOD}`, { cancel });
    assert.match(messages(opened)[0]!, /reading was cancelled/);
  });

  it("does not report a long loop as endless", async () => {
    const long = /evaluation stopped here after [\d,]+ steps: this takes more steps than the reader allows$/;
    for (const source of [
      "for i in range(10**7):\n    x = str(i)\n",
      "x = [str(i) for i in range(900000)]\ny = [str(i) for i in x]\n",
      "n = 3\nwhile n > 0:\n    n -= 1\nfor i in range(10**7):\n    x = str(i)\n",
      "for i, j in enumerate([1, 2]):\n    for k in range(10**7):\n        x = str(k)\n",
      "def f():\n    while True:\n        return 1\nf()\nfor i in range(10**7):\n    x = str(i)\n",
      "try:\n    while True:\n        raise ValueError\nexcept ValueError:\n    for i in range(10**7):\n        x = str(i)\n",
    ]) {
      const found = await troubled(source);
      assert.ok(
        found.some((m) => long.test(m)),
        `${source}\n${found.join("\n")}`,
      );
    }
    for (const source of [
      "import itertools\nfor i in itertools.count():\n    x = str(i)\n",
      "def numbers():\n    n = 0\n    while True:\n        yield n\n        n += 1\nfor i in numbers():\n    x = str(i)\n",
      "while True:\n    for i in range(10):\n        x = str(i)\n",
    ]) {
      const found = await troubled(source);
      assert.ok(
        found.some((m) => /is this an endless loop\?$/.test(m)),
        `${source}\n${found.join("\n")}`,
      );
    }
  });

  it("says how many modules were made when there are more than it takes", async () => {
    const opened = await readTorch(
      `
class Part(nn.Module):
    def __init__(self, i):
        super().__init__()
        self.a = nn.Linear(i, 2)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList([Part(i) for i in range(10**6)])
${GOOD}`,
      { steps: 500_000 },
    );
    assert.ok(
      messages(opened).some((m) => /after 100,000 steps and [\d,]+ modules: this takes more steps/.test(m)),
      messages(opened).join("\n"),
    );
  });

  it("keeps the limit that it is given", async () => {
    const opened = await readTorch("for i in range(10000):\n    pass\n", { steps: 1000 });
    assert.match(messages(opened)[0]!, /evaluation stopped here after 200 steps/);
  });
});
