import assert from "node:assert/strict";
import { layersOf, messages, modelNamed, readTorch } from "../reading";

/** What an import that is not followed leaves open, and what it does not. */
describe("parts that are unknown", () => {
  it("keep their index in containers, so that other entries keep their names", async () => {
    const found = await readTorch(`
from missing import Conv
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.appended = nn.ModuleList()
        for size in [8, 16]:
            self.appended.append(Conv(size))
            self.appended.append(nn.Linear(size, 2))
        self.listed = nn.ModuleList([Conv(1), nn.Linear(3, 4)])
        self.chain = nn.Sequential(nn.Linear(5, 6), Conv(6), nn.ReLU())
        self.named = nn.ModuleDict({"a": Conv(3), "b": nn.Linear(6, 7)})
        self.listed[0].weight.requires_grad = False
        assert self.chain[1] is not None and self.named["a"] is not None and "a" in self.named
        self.sizes = nn.Linear(len(self.appended), len(self.listed) + len(self.named))
        self.filled = nn.ModuleList([Conv(1)])
        self.filled[0] = nn.Linear(9, 9)
        self.filled.append(Conv(1))
        self.filled[1] = None
        self.none = nn.Linear(1, 5 if self.filled[1] is None else 6)
    def forward(self, x):
        return self.listed[1](x)
`);
    const net = modelNamed(found, "Net");
    assert.deepEqual(layersOf(net), [
      "appended.1 Linear(8, 2)",
      "appended.3 Linear(16, 2)",
      "listed.1 Linear(3, 4)",
      "chain.0 Linear(5, 6)",
      "chain.2 ReLU",
      "named.b Linear(6, 7)",
      "sizes Linear(4, 4)",
      "filled.0 Linear(9, 9)",
      "none Linear(1, 5)",
    ]);
    // What is unknown has parameters nobody can count; what has been replaced has not.
    const parts = new Map(net.root.children.map((child) => [child.path, child.parameters]));
    assert.deepEqual(Object.fromEntries(parts), {
      appended: undefined,
      listed: undefined,
      chain: undefined,
      named: undefined,
      sizes: 20,
      filled: 90,
      none: 10,
    });
    assert.equal(net.root.parameters, undefined);
    assert.deepEqual(
      found.problems.filter(({ severity }) => severity === "error"),
      [],
    );
    // Through what is known, the model still computes.
    assert.deepEqual(
      [...net.trace({ inputs: [{ name: "x", shape: [2, 3], dtype: "float32" }] }).graph.outputs.values()][0]!.shape,
      [2, 4],
    );
  });

  it("make a chain's result unknown, although later layers are known", async () => {
    const found = await readTorch(`
from missing import Conv
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.chain = nn.Sequential(nn.Linear(2, 3), Conv(3), nn.Linear(3, 4))
    def forward(self, x):
        return self.chain(x)
`);
    const trace = () => modelNamed(found, "Net").trace({ inputs: [{ name: "x", shape: [2, 2], dtype: "float32" }] });
    assert.throws(trace, /the import of Conv from missing was not followed/);
  });

  it("may be attributes of a base class, and names of a wildcard import", async () => {
    const found = await readTorch(`
from missing import Base
from absent import *
class Net(Base):
    def __init__(self):
        super().__init__()
        self.own = nn.Linear(2, self.width)
        self.loss = LPIPS().eval()
        self.head = nn.Linear(4, 2)
    def forward(self, x):
        return self.head(x)
class Derived(Net):
    def __init__(self):
        super().__init__()
        self.more = nn.Linear(8, 4 if self.wide else 2)
`);
    assert.deepEqual(
      found.problems.filter(({ severity }) => severity === "error"),
      [],
    );
    assert.deepEqual(layersOf(modelNamed(found, "Net")), ["own Linear(2, undefined)", "head Linear(4, 2)"]);
    assert.ok(
      messages(found).some((text) => text.includes("width may come from a base class of Net")),
      messages(found).join("\n"),
    );
    // Where every name is accounted for, a name that nothing defines is a mistake.
    const known = await readTorch(
      "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.a = LPIPS()\n        self.b = self.width\n",
    );
    assert.deepEqual(messages(known), ["7: NameError: name 'LPIPS' is not defined"]);
  });

  it("may come from an undecided if, also for properties, setters and __setattr__", async () => {
    const found = await readTorch(`
from missing import flag
class Shared:
    width = 3
class Base(nn.Module):
    @property
    def kept(self):
        if not hasattr(self, "_kept"):
            self._kept = {}
        return self._kept
    @property
    def size(self):
        return self._size
    @size.setter
    def size(self, value):
        if value is None:
            raise ValueError("size")
        self._size = int(value)
    def save(self, values):
        if flag():
            self.kept.update(values)
            self.size = None
            self.settings.depth = 9
            self.table[0].width = 9
            Shared.width = 9
class Frozen:
    def __init__(self):
        object.__setattr__(self, "depth", 5)
        object.__setattr__(self, "width", 6)
    def __setattr__(self, name, value):
        raise TypeError("frozen")
class Net(Base):
    def __init__(self, width=32):
        super().__init__()
        self.size = 7
        self.settings = Frozen()
        self.table = [Frozen()]
        self.save({"width": width})
        self.fc = nn.Linear(width, 8)
        self.of_property = nn.Linear(2, len(self.kept) + 1)
        self.of_setter = nn.Linear(2, self.size)
        self.of_guarded = nn.Linear(self.settings.width, self.settings.depth)
        self.of_item = nn.Linear(self.table[0].depth, self.table[0].width)
        self.of_class = nn.Linear(2, Shared.width)
        self.size = 8
        self.set_again = nn.Linear(2, self.size)
`);
    assert.deepEqual(
      found.problems.filter(({ severity }) => severity === "error"),
      [],
    );
    assert.deepEqual(layersOf(modelNamed(found, "Net")), [
      "fc Linear(32, 8)",
      "of_property Linear(2, undefined)",
      "of_setter Linear(2, undefined)",
      "of_guarded Linear(6, undefined)",
      "of_item Linear(5, undefined)",
      "of_class Linear(2, undefined)",
      "set_again Linear(2, 8)",
    ]);
  });
});
